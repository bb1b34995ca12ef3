"""Unsuitable modules, hyperparameters, and modules that cannot be trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.inputs.base import Feature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.lazy import keras, tf
from models.trunks.base import TrunkError, layer_groups
from models.trunks.layers.hub_module import why_frozen
from models.trunks.sources.hub_publish import publish
from models.trunks.tf_hub import TfHub
from tests.pretrained_files import IMAGE, TEXT, bert_modules, image_module, text_module, tf1_module

NUMBER = NumericFeature(name="size", column="s", mean=0, deviation=1)


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = tmp_path_factory.mktemp("modules")
    image_module(files / "image")
    image_module(files / "small", height=7)
    image_module(files / "grey", channels=1)
    text_module(files / "text")
    bert_modules(files / "bert")
    tf1_module(files / "tf1")
    return files


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trunk", "features", "message"),
    [
        ({"handle": "image"}, (TEXT,), r"expects TensorSpec.*float32.*Received: strings"),
        ({"handle": "text"}, (IMAGE,), r"expects TensorSpec.*string.*Received: float32 images"),
        ({"handle": "grey"}, (IMAGE,), "Received: images of 3 channels"),
        ({"handle": "small", "side": 9}, (IMAGE,), "Received: images of 9x9"),
        ({"handle": "image"}, (IMAGE, NUMBER), "'size': expected ImageFeature"),
        ({"handle": "bert/encoder"}, (TEXT,), "under `preprocess`"),
        ({"handle": "text", "preprocess": "bert/preprocess"}, (TEXT,), "the outputs of"),
        (
            {"handle": "bert/encoder", "preprocess": "bert/preprocess", "output": "nothing"},
            (TEXT,),
            "Available: .*pooled_output, sequence_output",
        ),
        ({"handle": "image", "hyperparameters": {"warp": 1}}, (IMAGE,), "Expected one of: rate"),
        ({"handle": "image", "signature": "serve"}, (IMAGE,), "no signature 'serve'"),
        ({"handle": "bert"}, (TEXT,), "expected saved_model.pb"),
    ],
)
def test_unsuitable_inputs_are_explained(
    modules: Path, trunk: dict[str, str], features: tuple[Feature, ...], message: str
) -> None:
    paths = {k: str(modules / v) for k, v in trunk.items() if k in ("handle", "preprocess")}
    with pytest.raises(TrunkError, match=message):
        TfHub(**trunk | paths).build(features)


def test_a_broken_saved_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(TrunkError, match=f"{tmp_path.name}' cannot be loaded"):
        TfHub(handle=str(tmp_path)).build((IMAGE,))


@pytest.mark.slow
def test_images_reach_the_module_in_its_own_size(modules: Path) -> None:
    white = np.full((1, IMAGE.height, IMAGE.width, 3), 255, np.uint8)
    small, free = (TfHub(handle=str(modules / n)).build((IMAGE,)) for n in ("small", "image"))
    np.testing.assert_allclose(small({"photo": white}), free({"photo": white}), atol=1e-5)
    module = tf.saved_model.load(str(modules / "image"))
    np.testing.assert_allclose(module(tf.ones([1, 2, 2, 3])), free({"photo": white}), atol=1e-5)


def test_grey_images_are_repeated(modules: Path) -> None:
    grey = ImageFeature(name="photo", column="p", height=4, width=4, channels=1)
    pixels = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    trunk = TfHub(handle=str(modules / "image"))
    three = np.repeat(pixels, 3, axis=-1)
    same = ImageFeature(name="photo", column="p", height=4, width=4, channels=3)
    np.testing.assert_allclose(
        trunk.build((grey,))({"photo": pixels}), trunk.build((same,))({"photo": three}), atol=1e-6
    )


def test_hyperparameters_reach_the_module(modules: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 12, 10, 3), dtype=np.uint8)
    handle = str(modules / "image")
    kept = TfHub(handle=handle).build((IMAGE,))
    dropped = TfHub(handle=handle, hyperparameters={"rate": 0.5}).build((IMAGE,))
    first, again = (np.asarray(kept({"photo": pixels}, training=True)) for _ in range(2))
    np.testing.assert_allclose(first, again, atol=1e-5)
    first, again = (np.asarray(dropped({"photo": pixels}, training=True)) for _ in range(2))
    assert np.abs(first - again).max() > 1e-3


def test_regularisation_losses_count_while_it_trains(modules: Path) -> None:
    trunk = TfHub(handle=str(modules / "image")).build((IMAGE,))
    kernel = next(w for w in trunk.weights if w.shape == (3, 6))
    pixels = np.zeros((2, 12, 10, 3), np.uint8)
    trunk({"photo": pixels}, training=True)
    np.testing.assert_allclose(trunk.losses, [0.01 * np.sum(kernel.numpy() ** 2)], rtol=1e-5)
    trunk.trainable = False
    trunk({"photo": pixels}, training=True)
    assert trunk.losses == []


@pytest.mark.parametrize(
    ("name", "signature", "message"),
    [("tf1", "", "TF1 Hub format"), ("features", "serving_default", "signature 'serving_default'")],
)
def test_modules_that_give_features_alone(
    modules: Path, tmp_path: Path, name: str, signature: str, message: str
) -> None:
    if name == "features":
        model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.GlobalMaxPooling2D()])
        model.export(str(tmp_path / name), verbose=False)
        with pytest.raises(TrunkError, match=r"signatures under `signature`: .*serving_default"):
            TfHub(handle=str(tmp_path / name)).build((IMAGE,))
    directory = (modules if name == "tf1" else tmp_path) / name
    output = "" if name == "tf1" else "output_0"
    trunk = TfHub(handle=str(directory), signature=signature, output=output).build((IMAGE,))
    assert message in why_frozen(trunk)
    assert not trunk.trainable_variables
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 10, 3), dtype=np.uint8)
    found = np.asarray(trunk({"photo": pixels}, training=True))
    assert found.shape == (3, 5 if name == "tf1" else 3)
    assert np.ptp(found, axis=0).max() > 0


def test_a_trunk_that_can_be_trained_is_not_frozen(modules: Path) -> None:
    trunk = TfHub(handle=str(modules / "image")).build((IMAGE,))
    assert why_frozen(trunk) == ""
    assert list(layer_groups(trunk)) == ["stage0", "stage1"]


def test_publishing_does_not_overwrite(modules: Path, tmp_path: Path) -> None:
    trunk = TfHub(handle=str(modules / "image")).build((IMAGE,))
    publish(trunk, (IMAGE,), tmp_path / "m")
    with pytest.raises(FileExistsError, match="new directory"):
        publish(trunk, (IMAGE,), tmp_path / "m")
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
