"""What linear experts read of a frozen trunk of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.inputs.image import ImageFeature
from models.inputs.raw_text import RawTextFeature
from models.lazy import keras
from models.trunks import blocks
from models.trunks.blocks import Blocks, has_blocks
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.scratch import Scratch

IMAGE = ImageFeature(name="photo", column="p", height=6, width=5, channels=3)
ROWS = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 3), np.uint8)
MIRRORED = ROWS[:, :, ::-1].copy()


@pytest.fixture(scope="module")
def trunk() -> keras.Model:
    keras.utils.set_random_seed(3)
    return Scratch(width=8, dropout=0, image=ResidualConvnet(widths=(3, 5))).build((IMAGE,))


def means(trunk: keras.Model, layer: str, rows: np.ndarray) -> np.ndarray:
    inside = keras.Model(trunk.input, trunk.get_layer(layer).output)
    return np.mean(inside({"photo": rows}, training=False), axis=(1, 2))


def test_all_blocks_are_pooled_and_averaged_over_both_sides(trunk: keras.Model) -> None:
    representation, found = Blocks(trunk, (IMAGE,))({"photo": ROWS})
    np.testing.assert_allclose(representation, trunk({"photo": ROWS}), atol=1e-6)
    stem = [means(trunk, "photo.stem.relu", rows) for rows in (ROWS, MIRRORED)]
    last = [np.asarray(trunk({"photo": rows})) for rows in (ROWS, MIRRORED)]
    np.testing.assert_allclose(found[:, :3], np.mean(stem, axis=0), atol=1e-6)
    np.testing.assert_allclose(found[:, -8:], np.mean(last, axis=0), atol=1e-6)
    assert found.shape == (3, 3 + 5 + 8)  # stem, stage and the joining layer
    np.testing.assert_allclose(Blocks(trunk, (IMAGE,))({"photo": MIRRORED})[1], found, atol=1e-6)


@pytest.mark.parametrize(
    ("flip_average", "heads", "experts"),
    [(None, False, True), (True, True, True), (False, False, False)],
)
def test_who_reads_mirror_images(
    trunk: keras.Model, flip_average: bool | None, heads: bool, experts: bool
) -> None:
    feature = replace(IMAGE, flip_average=flip_average)
    one, other = (Blocks(trunk, (feature,))({"photo": rows}) for rows in (ROWS, MIRRORED))
    alike = [np.allclose(a, b, atol=1e-5) for a, b in zip(one, other, strict=True)]
    assert alike == [heads, experts]


def test_grey_images_often_show_signs_so_they_are_not_mirrored() -> None:
    assert IMAGE.experts_flip and not replace(IMAGE, channels=1).experts_flip


def test_wide_trunks_leave_out_their_first_blocks(
    trunk: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "WIDTH", 14)
    assert Blocks(trunk, (IMAGE,))({"photo": ROWS})[1].shape == (3, 5 + 8)


def test_only_images_have_blocks() -> None:
    assert has_blocks((IMAGE,))
    assert not has_blocks((IMAGE, RawTextFeature(name="t", column="t")))
