"""Equal models are equal files, whatever the process did before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

from serving.canonical import FINGERPRINT, make_canonical
from serving.manifest import manifest_of

EXPORT = """\
import sys
from pathlib import Path
import tensorflow as tf
from serving.signatures import Classes, SignatureInput, export

path, before = Path(sys.argv[1]), int(sys.argv[2])
for i in range(before):
    tf.function(lambda x: x + i)(tf.constant(1.0))
keys = tf.lookup.KeyValueTensorInitializer(["red", "green"], [1, 2])
module = tf.Module()
module.weight = tf.Variable([[2.0]], name="weight")
module.table = tf.lookup.StaticHashTable(keys, 0)
module.other = tf.lookup.StaticHashTable(
    tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([3, 4], tf.int64)), 0)

@tf.custom_gradient
def doubled(x):
    return 2 * x, lambda upstream: 2 * upstream

@tf.function
def inner(x):
    return doubled(x) @ module.weight

def predict(raw):
    looked_up = tf.cast(module.table.lookup(raw["colour"]), tf.float32)
    looked_up += tf.cast(module.other.lookup(raw["colour"]), tf.float32)
    return {"sum": inner(looked_up[:, None] + raw["hours worked"][:, None])}

inputs = [SignatureInput("colour", "string"), SignatureInput("hours worked", "float32")]
export(predict, module, inputs, ["sum"], path, [Classes("sum", ("no", "yes"))])
"""


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two exports of one model, from two processes with different histories."""
    root = tmp_path_factory.mktemp("exports")
    processes = [
        subprocess.Popen([sys.executable, "-c", EXPORT, str(root / str(before)), str(before)])
        for before in (0, 23)
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    return [root / "0", root / "23"]


@pytest.mark.slow
def test_two_processes_write_the_same_files(exports: list[Path]) -> None:
    one, other = (manifest_of(path) for path in exports)
    assert one.keys() >= {"saved_model.pb", FINGERPRINT, "variables/variables.index"}
    assert one == other


@pytest.mark.slow
def test_the_files_are_those_of_a_saved_model(exports: list[Path]) -> None:
    import tensorflow as tf

    loaded = [tf.saved_model.load(str(path)) for path in exports]
    for model in loaded:  # both in one process: their tables must not be mixed up
        row = {"colour": tf.constant(["green", "b"]), "input_1": tf.constant([5.0, 6.0])}
        answer = model.signatures["serving_default"](**row)["sum"]
        np.testing.assert_allclose(answer, [[28.0], [40.0]])
    for path in exports:
        with tf.compat.v1.Session(graph=tf.Graph()) as session:
            found = tf.compat.v1.saved_model.load(session, ["serve"], str(path))
            assert set(found.signature_def) >= {"serving_default", "classify_sum"}
    fingerprints = [tf.saved_model.experimental.read_fingerprint(str(path)) for path in exports]
    assert fingerprints[0].saved_model_checksum == fingerprints[1].saved_model_checksum != 0
    assert fingerprints[0].singleprint() == fingerprints[1].singleprint()


@pytest.mark.slow
def test_what_is_canonical_stays_as_it_is(exports: list[Path]) -> None:
    content = (exports[0] / "saved_model.pb").read_bytes()
    saved = saved_model_pb2.SavedModel.FromString(content)
    make_canonical(saved)
    assert saved.SerializeToString(deterministic=True) == content
