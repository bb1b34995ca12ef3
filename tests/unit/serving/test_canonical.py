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
from pathlib import Path
import tensorflow as tf
from serving.signatures import Classes, SignatureInput, export

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
export(predict, module, inputs, ["sum"], Path(path), [Classes("sum", ("no", "yes"))])
"""


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two exports of one model: from a new process, and from this one, which has a history."""
    import tensorflow as tf

    new, here = (tmp_path_factory.mktemp("exports") / name for name in ("new", "here"))
    subprocess.run(
        [sys.executable, "-c", f"import sys; path = sys.argv[1]\n{EXPORT}", str(new)], check=True
    )
    for i in range(23):
        tf.function(lambda x, i=i: x + i, autograph=False)(tf.constant(1.0))
    exec(EXPORT, {"path": str(here)})
    return [new, here]


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
