"""The contract of sources of pretrained trunks; every source needs a sample."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from models.discovery import methods
from models.inputs.base import Input
from models.inputs.image import ImageFeature, ImageInput
from models.inputs.layers.preprocessing import Preprocessing
from models.inputs.numeric import NumericInput
from models.inputs.text import TextInput
from models.lazy import keras, tf
from models.trunks.base import Trunk, layer_groups
from models.trunks.blocks import Blocks
from models.trunks.flips import mean_over_flips
from models.trunks.layers.hub_module import adopted
from models.trunks.sources.hub_publish import publish
from models.trunks.tf_hub import TfHub
from pipeline.store.fingerprint import canonical
from tests.pretrained_files import SAMPLES, TEXT, Sample
from tests.serving_operations import not_served

pytestmark = pytest.mark.slow

SOURCES = {
    name
    for name, trunk in methods("models.trunks", Trunk).items()
    if any(f.default is MISSING and f.default_factory is MISSING for f in fields(trunk))  # type: ignore[arg-type]
}


def test_every_source_has_a_sample() -> None:
    assert {name.split()[0] for name in SAMPLES} == SOURCES


@pytest.fixture(params=SAMPLES, scope="module")
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sample:
    keras.utils.set_random_seed(0)
    return SAMPLES[request.param](tmp_path_factory.mktemp("pretrained") / "files")


@pytest.fixture(scope="module")
def built(sample: Sample) -> tuple[keras.Model, list[np.ndarray]]:
    """The trunk of the sample, and its initial weights."""
    trunk = sample.trunk.build(sample.features)
    return trunk, trunk.get_weights()


@pytest.fixture
def trunk(built: tuple[keras.Model, list[np.ndarray]]) -> keras.Model:
    trunk, weights = built
    trunk.trainable = True
    trunk.set_weights(weights)
    return trunk


Elsewhere = Callable[[Path, np.ndarray], tuple[np.ndarray, int, int]]
LOADING = """\
import sys
import numpy, tensorflow_hub, tensorflow_text
for line in sys.stdin:
    directory, inputs, outputs = line.rstrip("\\n").split("\\t")
    module = tensorflow_hub.load(directory)
    values = numpy.load(inputs)
    numpy.save(outputs, module(values if values.ndim > 1 else values.astype(object)))
    assert not {"models", "components"} & set(sys.modules)
    assert all(loss().shape == () for loss in module.regularization_losses)
    print(len(module.trainable_variables), len(module.variables), flush=True)
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """Loads modules and calls them in one process that knows TF-Hub and nothing of Rootstock.

    Gives the outputs, and how many trainable variables and variables the module has.
    """
    directory = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-W", "ignore", "-c", LOADING]
    with (
        open(directory / "stderr", "w+") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=directory,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None

        def load(module: Path, inputs: np.ndarray) -> tuple[np.ndarray, int, int]:
            np.save(module.parent / "inputs.npy", inputs)
            files = [module, module.parent / "inputs.npy", module.parent / "outputs.npy"]
            process.stdin.write("\t".join(map(str, files)) + "\n")
            process.stdin.flush()
            counts = process.stdout.readline()
            assert counts, (directory / "stderr").read_text()
            trainable, variables = map(int, counts.split())
            return np.load(files[2]), trainable, variables

        yield load
        process.stdin.close()


@cache
def prepared(sample: Sample) -> dict[str, tf.Tensor]:
    """Preprocessed features of the sample's rows."""
    raw = {name: tf.constant(values) for name, values in sample.raw().items()}
    texts = tuple(f for f in sample.features if not isinstance(f, ImageFeature))
    return raw | Preprocessing(texts)(raw)


def with_head(trunk: keras.Model) -> keras.Model:
    inputs = {
        name: keras.Input(x.shape[1:], dtype=x.dtype, name=name) for name, x in trunk.input.items()
    }
    head = keras.layers.Dense(1, kernel_initializer="ones")
    model = keras.Model(inputs, head(trunk(inputs)))
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)  # a graph takes longer
    return model


def test_features_become_one_representation(sample: Sample, trunk: keras.Model) -> None:
    batch = prepared(sample)
    found = np.asarray(trunk(batch, training=False))
    assert found.shape == (6, trunk.output.shape[-1])
    assert found.dtype == "float32"
    assert np.all(np.isfinite(found))
    assert np.ptp(found, axis=0).max() > 1e-3 * np.abs(found).max()
    alone = np.asarray(trunk({n: v[2:3] for n, v in batch.items()}, training=False))
    np.testing.assert_allclose(alone[0], found[2], atol=1e-5)


def test_groups_hold_every_weight_from_input_to_output(sample: Sample, trunk: keras.Model) -> None:
    groups = layer_groups(trunk)
    grouped = [id(w) for layers in groups.values() for la in layers for w in la.weights]
    assert len(grouped) == len(set(grouped)) > 0
    assert set(grouped) == {id(w) for w in trunk.weights}
    numbers = [int(n) for g in groups for n in [g.rpartition("stage")[2]] if n.isdigit()]
    assert numbers == sorted(numbers)
    if len(groups) > 1 and numbers:
        assert numbers[-1] == max(numbers)


def test_weights_change_if_trainable_and_stay_if_frozen(sample: Sample, trunk: keras.Model) -> None:
    model, batch = with_head(trunk), prepared(sample)
    targets = np.linspace(5, 6, 6)[:, None]
    before = trunk.get_weights()
    model.fit(batch, targets, batch_size=3, epochs=1, verbose=0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, trunk.get_weights(), strict=True)]
    trainable = [w.trainable for w in trunk.weights]
    assert any(m for m, t in zip(moved, trainable, strict=True) if t)
    for layer in [la for la in adopted(trunk) if la.weights]:
        module = {id(v) for v in layer.module.variables}
        assert {id(w.value) for w in layer.weights} == module  # the module's own variables

    trunk.trainable = False
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    before = trunk.get_weights()
    model.fit(batch, targets, batch_size=3, epochs=1, verbose=0)
    for old, new in zip(before, trunk.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)  # its batch statistics neither


def test_every_trainable_weight_gets_a_gradient(sample: Sample, trunk: keras.Model) -> None:
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(trunk(prepared(sample), training=False) ** 2)
    variables = trunk.trainable_variables
    missing = [
        v.path for v, g in zip(variables, tape.gradient(loss, variables), strict=True) if g is None
    ]
    assert variables
    assert not missing


def test_a_frozen_group_stays(sample: Sample, trunk: keras.Model) -> None:
    groups = layer_groups(trunk)
    if len(groups) == 1:
        pytest.skip("one group: all or nothing")
    first = next(iter(groups.values()))
    for layer in first:
        layer.trainable = False
    frozen = {id(w) for la in first for w in la.weights}
    assert frozen
    assert not frozen & {id(v) for v in trunk.trainable_variables}
    before = {v.path: v.numpy() for v in trunk.trainable_variables}
    with_head(trunk).fit(prepared(sample), np.ones((6, 1)), epochs=1, verbose=0)
    assert any(not np.array_equal(before[v.path], v) for v in trunk.trainable_variables)


def test_it_can_be_rebuilt_without_its_files(
    sample: Sample, trunk: keras.Model, tmp_path: Path
) -> None:
    trunk.set_weights([w + np.asarray(0.01, w.dtype) for w in trunk.get_weights()])
    before = np.asarray(trunk(prepared(sample), training=False))
    kept = tmp_path / "kept"
    kept.mkdir()
    sample.trunk.save_files(kept)
    moved = kept.rename(tmp_path / "moved")
    away = sample.files.rename(sample.files.with_name("away"))
    try:
        again = sample.trunk.with_saved_files(moved).build(sample.features)
    finally:
        away.rename(sample.files)
    again.set_weights(trunk.get_weights())
    after = np.asarray(again(prepared(sample), training=False))
    np.testing.assert_allclose(before, after, atol=1e-6)


def test_a_published_trunk_gives_the_same_outputs_and_can_be_trained(
    sample: Sample, trunk: keras.Model, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    expected = np.asarray(trunk(prepared(sample), training=False))
    publish(trunk, sample.features, tmp_path / "module")
    (values,) = sample.raw().values()
    given = values.astype("float32") / 255 if values.dtype == "uint8" else values
    given = given.astype("float32" if values.ndim > 1 else "S")
    count = len(trunk.trainable_variables)
    outputs, trainable, variables = elsewhere(tmp_path / "module", given)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert trainable == count <= variables

    is_image = isinstance(sample.features[0], ImageFeature)
    again = TfHub(handle=str(tmp_path / "module")).build(sample.features if is_image else (TEXT,))
    assert list(layer_groups(again)) == list(layer_groups(trunk))
    assert len(again.trainable_variables) == count
    given = {TEXT.name: tf.constant(values)} if not is_image else prepared(sample)
    np.testing.assert_allclose(again(given, training=False), expected, atol=1e-5)


def test_an_exported_trunk_gives_the_same_outputs(
    sample: Sample, trunk: keras.Model, tmp_path: Path
) -> None:
    """Exported like a trained model: one graph from raw values. With images it also gives what
    experts read, and the mean over mirror images.
    """
    images = tuple(
        replace(f, flip_average=True) for f in sample.features if isinstance(f, ImageFeature)
    )
    texts = tuple(f for f in sample.features if not isinstance(f, ImageFeature))
    preprocessing = Preprocessing(texts)
    raw = {n: tf.constant(v) for n, v in sample.raw().items()}
    owner = tf.Module()
    owner.kept = [preprocessing, [w.value for w in trunk.weights]]
    owner.modules = [la.module for la in adopted(trunk)]
    encode = partial(trunk, training=False)

    def outputs(features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        found = {"trunk": encode(features)}
        if images:
            plain, blocks = Blocks(trunk, images)(features)
            found |= {"mean": mean_over_flips(encode, images, features)}
            found |= {"plain": plain, "blocks": blocks}
        return found

    owner.serve = tf.function(lambda given: outputs(given | preprocessing(given)), autograph=False)
    specs = {n: tf.TensorSpec([None, *v.shape[1:]], v.dtype) for n, v in raw.items()}
    signature = owner.serve.get_concrete_function(specs)
    tf.saved_model.save(owner, str(tmp_path / "m"), signatures={"serve": signature})
    assert not_served(tmp_path / "m") == set()
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    served = loaded.serve(raw)
    for name, expected in outputs(prepared(sample)).items():
        np.testing.assert_allclose(served[name], expected, atol=1e-5)
    if images:
        np.testing.assert_allclose(served["plain"], served["mean"], atol=1e-5)


def test_checks_pass_only_for_inputs_that_it_can_read(sample: Sample) -> None:
    image: Input = ImageInput(name="photo", column="p", height=12, width=10)
    text: Input = TextInput(name="words", column="t")
    right, wrong = (image, text) if isinstance(sample.features[0], ImageFeature) else (text, image)
    assert sample.trunk.check((right,)) == []
    number = NumericInput(name="size", column="s")
    assert sample.trunk.check((number,)) != []
    if sample.trunk.name != "tf_hub":  # what a module reads is known once TensorFlow has loaded it
        assert sample.trunk.check((wrong,)) != []


def test_its_fingerprint_depends_on_the_content_of_its_files(
    sample: Sample, tmp_path: Path
) -> None:
    files = sample.trunk.files()
    assert files
    assert all(Path(f).exists() for f in files)
    moved = {
        f.name: value.replace(str(sample.files), str(tmp_path))
        for f in fields(sample.trunk)  # type: ignore[arg-type]
        if isinstance(value := getattr(sample.trunk, f.name), str)
    }
    elsewhere = type(sample.trunk)(
        **{f.name: getattr(sample.trunk, f.name) for f in fields(sample.trunk)} | moved  # type: ignore[arg-type]
    )
    assert elsewhere != sample.trunk
    assert canonical(elsewhere) == canonical(sample.trunk)
