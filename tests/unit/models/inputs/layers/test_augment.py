"""Changed images against SciPy's affine transform and the formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from models.inputs.layers.augment import Augment
from models.lazy import tf

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 9, 12, 3), np.uint8)
SEED = tf.constant([7, 3], tf.int64)


def changed(augment: Augment, seed: tf.Tensor = SEED) -> np.ndarray:
    found = augment(tf.constant(IMAGES), seed)
    assert (found.dtype, found.shape) == (tf.uint8, IMAGES.shape)
    return np.asarray(found)


def draws() -> np.ndarray:
    """[7, images]: flip, right, down, turn, size, brighter, stronger."""
    return tf.random.stateless_uniform([len(IMAGES), 7], SEED, -1.0, 1.0).numpy().T


def test_half_of_the_images_are_mirrored() -> None:
    found = changed(Augment(flip=True))
    mirrored = [np.array_equal(f, i[:, ::-1]) for f, i in zip(found, IMAGES, strict=True)]
    same = [np.array_equal(f, i) for f, i in zip(found, IMAGES, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 20 <= sum(mirrored) <= 44


@pytest.mark.parametrize(
    "augment",
    [
        Augment(shift=0.3),
        Augment(rotate=90.0),
        Augment(zoom=0.5),
        Augment(flip=True, shift=0.2, rotate=30.0, zoom=0.2),
    ],
    ids=str,
)
def test_pixels_move_like_scipys_affine_transform(augment: Augment) -> None:
    flip, right, down, turn, size, *_ = draws()
    height, width = IMAGES.shape[1:3]
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    for i, found in enumerate(changed(augment)):
        angle, scale = math.radians(augment.rotate) * turn[i], 1 + augment.zoom * size[i]
        turned = scale * np.array(
            [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
        )
        if augment.flip and flip[i] < 0:
            turned[1] *= -1
        moved = augment.shift * np.array([height * down[i], width * right[i]])
        offset = centre - turned @ centre + moved
        for c in range(3):
            expected = ndimage.affine_transform(
                IMAGES[i, :, :, c].astype(float), turned, offset, order=1, mode="reflect"
            )
            np.testing.assert_allclose(found[:, :, c], expected, atol=0.51)


def test_brightness_and_contrast() -> None:
    *_, brighter, stronger = draws()
    means = IMAGES.mean(axis=(1, 2), keepdims=True)
    factors = 1 + 0.5 * stronger[:, None, None, None]
    expected = means + factors * (IMAGES - means) + 255 * 0.2 * brighter[:, None, None, None]
    found = changed(Augment(brightness=0.2, contrast=0.5))
    np.testing.assert_allclose(found, np.clip(expected, 0, 255), atol=0.51)


def test_the_seed_decides() -> None:
    augment = Augment(flip=True, shift=0.1, brightness=0.1)
    np.testing.assert_array_equal(changed(augment), changed(augment))
    assert not np.array_equal(changed(augment), changed(augment, tf.constant([7, 4], tf.int64)))


def test_an_augmentation_that_changes_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="augment changes nothing: set flip"):
        Augment()
