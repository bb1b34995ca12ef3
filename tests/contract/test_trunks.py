"""The contract of trunks trained from scratch, which are found by discovery.

Those that start from pretrained files are in `test_trunk_sources.py`.
"""

from __future__ import annotations

from dataclasses import MISSING, fields, replace

import numpy as np
import pytest

from models.discovery import methods
from models.inputs.base import Feature
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.text import TextFeature
from models.lazy import keras, tf
from models.trunks.base import Trunk, layer_groups
from models.trunks.layers.members import members_of

TRUNKS = {
    name: trunk
    for name, trunk in methods("models.trunks", Trunk).items()
    if all(f.default is not MISSING or f.default_factory is not MISSING for f in fields(trunk))  # type: ignore[arg-type]
}
FEATURES: dict[str, Feature] = {
    "image": ImageFeature(name="image", column="i", height=8, width=8, channels=1),
    "photo": ImageFeature(name="photo", column="p", height=40, width=70, channels=3),
    "text": TextFeature(name="text", column="t", length=6, vocabulary=("a", "b", "c")),
    "age-in-years": NumericFeature(name="age-in-years", column="n", mean=0, deviation=1),
    "size": NumericFeature(name="size", column="s", mean=0, deviation=1, knots=(-1.0, 0.0, 1.0)),
    "colour": CategoricalFeature(name="colour", column="c", vocabulary=("red",)),
}
SETS = [("image",), ("photo",), ("text",), ("size",), ("colour",), tuple(FEATURES)]


def example(feature: Feature, rows: int) -> np.ndarray:
    """Preprocessed values of the features."""
    rng = np.random.default_rng(0)
    match feature:
        case ImageFeature():
            shape = (rows, feature.height, feature.width, feature.channels)
            return rng.integers(0, 256, shape, dtype=np.uint8)
        case TextFeature():
            ids = rng.integers(1, len(feature.vocabulary) + 2, (rows, feature.length))
            return np.where(np.arange(feature.length) < 4, ids, 0).astype(np.int32)
        case NumericFeature():
            numbers = rng.normal(size=rows).astype(np.float32)
            return np.where(np.arange(rows) == 1, np.nan, numbers) if feature.knots else numbers
        case CategoricalFeature():
            return rng.integers(0, len(feature.vocabulary) + 2, rows).astype(np.int32)


@pytest.mark.parametrize("names", SETS, ids="+".join)
@pytest.mark.parametrize("name", TRUNKS)
def test_features_become_one_representation(name: str, names: tuple[str, ...]) -> None:
    features = tuple(FEATURES[n] for n in names)
    trunk = TRUNKS[name]().build(features)
    batch = {f.name: example(f, 5) for f in features}
    members = members_of(trunk)
    found = trunk(batch, training=False)
    assert found.shape == (5 * members, trunk.output.shape[-1])
    assert found.dtype == "float32"
    assert np.all(np.isfinite(found))
    single = trunk({n: v[2:3] for n, v in batch.items()}, training=False)
    np.testing.assert_allclose(single, found[2 * members : 3 * members], atol=1e-5)


@pytest.mark.parametrize("name", TRUNKS)
def test_every_feature_matters(name: str) -> None:
    features = tuple(FEATURES.values())
    trunk = TRUNKS[name]().build(features)
    batch = {f.name: example(f, 20) for f in features}
    before = np.asarray(trunk(batch, training=False))
    for feature in features:
        changed = batch | {feature.name: np.roll(batch[feature.name], 1, axis=0)}
        assert np.abs(before - trunk(changed, training=False)).max() > 1e-6, feature.name


@pytest.mark.parametrize("name", TRUNKS)
def test_every_weight_is_in_a_layer_group(name: str) -> None:
    trunk = TRUNKS[name]().build(tuple(FEATURES.values()))
    grouped = {
        id(w) for layers in layer_groups(trunk).values() for la in layers for w in la.weights
    }
    assert {id(w) for w in trunk.weights} == grouped


@pytest.mark.parametrize("name", TRUNKS)
def test_inputs_may_have_letters_that_tensorflow_refuses(name: str) -> None:
    features = tuple(replace(f, name=f"身長{f.name}") for f in FEATURES.values())
    trunk = TRUNKS[name]().build(features)
    encode = tf.function(lambda batch: trunk(batch, training=False), autograph=False)
    encode({f.name: example(f, 2) for f in features})
    assert all(w.path.isascii() for w in trunk.weights)  # TensorFlow cannot save others


@pytest.mark.parametrize("name", TRUNKS)
def test_the_seed_decides_the_weights(name: str) -> None:
    def weights(seed: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(seed)
        found: list[np.ndarray] = TRUNKS[name]().build(tuple(FEATURES.values())).get_weights()
        return found

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("name", TRUNKS)
def test_padding_does_not_change_a_text(name: str) -> None:
    """The same words with more padding give the same representation."""
    outputs = []
    for length in (6, 9):
        keras.utils.set_random_seed(0)
        feature = TextFeature(name="text", column="t", length=length, vocabulary=("a", "b", "c"))
        words = np.zeros((1, length), np.int32)
        words[0, :4] = [2, 4, 3, 1]
        outputs.append(TRUNKS[name]().build((feature,))({"text": words}, training=False))
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)
