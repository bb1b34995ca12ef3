from __future__ import annotations

import numpy as np
import pytest

from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.representation import REPRESENTATION
from models.lazy import keras
from models.trunks.base import layer_groups
from models.trunks.encoders.column_mlp import ColumnMlp
from models.trunks.layers.joined import JoinedTrunks, members_in, parts_of
from models.trunks.scratch import Scratch

IMAGE = ImageFeature(name="photo", column="p", height=2, width=3, channels=3, flip_average=True)
NUMBER = NumericFeature(name="size", column="s", mean=0, deviation=1)


def picture_trunk() -> keras.Model:
    image = keras.Input(IMAGE.shape, name="photo", dtype="uint8")
    x = keras.layers.Flatten()(keras.ops.cast(image, "float32"))
    x = keras.layers.Dense(4, name="stage1.dense")(x)
    return keras.Model({"photo": image}, keras.layers.Dropout(0.5)(x), name="part_photo")


def joined(members: int = 1, fixed: tuple[str, ...] = ("photo",)) -> JoinedTrunks:
    columns = Scratch(width=5, columns=ColumnMlp(layers=(3,), members=members)).build((NUMBER,))
    columns.name = "part_columns"
    parts = {"photo": picture_trunk(), "columns": columns}
    return JoinedTrunks(parts, (IMAGE, NUMBER), fixed, "columns")


def rows(count: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, *IMAGE.shape), dtype=np.uint8)
    return {"photo": pixels, "size": rng.normal(size=count).astype(np.float32)}


@pytest.mark.parametrize("members", [1, 3])
def test_stored_output_replaces_the_features_of_fixed_parts(members: int) -> None:
    trunk, x = joined(members), rows(4)
    whole = np.asarray(trunk.represent(x, training=False))
    assert whole.shape == (4 * members, 9)
    assert members_in(trunk) == members
    stored = {"size": x["size"], REPRESENTATION: trunk.fixed_output(x)}
    np.testing.assert_allclose(trunk.represent(stored, training=False), whole, atol=1e-6)


def test_the_scale_of_pretrained_numbers_does_not_matter() -> None:
    trunk, x = joined(), rows(4)
    before = np.asarray(trunk.represent(x, training=False))
    np.testing.assert_allclose(before[:, :4].mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(before[:, :4].std(axis=1), 1, atol=1e-3)
    for v in trunk.parts["photo"].weights:
        v.assign(np.asarray(v) * 1000)
    np.testing.assert_allclose(trunk.represent(x, training=False), before, atol=1e-3)


def test_mirror_images_are_averaged_before_parts_are_joined() -> None:
    trunk, x = joined(), rows(2)
    part = trunk.parts["photo"]
    mean = (part({"photo": x["photo"]}) + part({"photo": x["photo"][:, :, ::-1]})) / 2
    mean = np.asarray(mean)
    expected = (mean - mean.mean(axis=1, keepdims=True)) / mean.std(axis=1, keepdims=True)
    np.testing.assert_allclose(trunk.fixed_output(x), expected, atol=1e-4)


def test_a_part_that_does_not_train_runs_without_dropout() -> None:
    trunk, x = joined(fixed=()), rows(16)
    quiet = np.asarray(trunk.represent(x, training=False))[:, :4]
    assert not np.allclose(np.asarray(trunk.represent(x, training=True))[:, :4], quiet)
    for v in trunk.parts["photo"].weights:
        v.trainable = False
    np.testing.assert_array_equal(np.asarray(trunk.represent(x, training=True))[:, :4], quiet)


def test_weights_are_counted_once_in_groups_of_their_parts() -> None:
    trunk = joined(members=2)
    groups = layer_groups(trunk)
    grouped = [v for layers in groups.values() for la in layers for v in la.weights]
    own = [v for part in parts_of(trunk).values() for v in part.trainable_variables]
    assert {id(v) for v in own} <= {id(v) for v in grouped}
    assert len({id(v) for v in trunk.trainable_variables}) == len(trunk.trainable_variables)
    assert {id(v) for v in trunk.trainable_variables} == {id(v) for v in own}
    assert next(iter(groups)) == "part_photo/stage1"
