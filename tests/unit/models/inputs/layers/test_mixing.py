"""Mixed images against the formulas."""

from __future__ import annotations

import numpy as np
import pytest

from models.inputs.layers.mixing import mixed
from models.lazy import tf

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 10, 7, 3), np.uint8)
OTHERS = np.roll(IMAGES, -1, axis=0)
SEED = tf.constant([7, 3], tf.int64)


def of(mixup: float, cutmix: float) -> tuple[np.ndarray, np.ndarray]:
    images, shares = mixed(tf.constant(IMAGES), mixup, cutmix, SEED)
    assert (images.dtype, images.shape) == (tf.uint8, IMAGES.shape)
    return images.numpy(), shares.numpy()


def test_mixup_blends_by_the_share() -> None:
    images, shares = of(1.0, 0.0)
    assert 0.5 <= shares.min() < 0.55
    assert 0.95 < shares.max() <= 1
    own = shares[:, None, None, None]
    np.testing.assert_allclose(images, own * IMAGES + (1 - own) * OTHERS, atol=0.51)


def test_cutmix_pastes_a_box_of_the_other_share() -> None:
    images, shares = of(0.0, 1.0)
    pasted = (images == OTHERS).all(-1) & (IMAGES != OTHERS).any(-1)
    np.testing.assert_array_equal(images, np.where(pasted[..., None], OTHERS, IMAGES))
    np.testing.assert_allclose(shares, 1 - pasted.mean((1, 2)), atol=1e-6)
    assert len(set(shares.tolist())) > 5
    for box in pasted[pasted.any((1, 2))]:
        rows, columns = np.flatnonzero(box.any(1)), np.flatnonzero(box.any(0))
        assert box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


def test_each_image_takes_one_of_both() -> None:
    images, _ = of(1.0, 1.0)
    kept = ((images == IMAGES).all(-1) | (images == OTHERS).all(-1)).all((1, 2))
    assert 16 < kept.sum() < 48


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.01, 0.0), (0.0, 0.01)])
def test_shares_of_a_small_parameter_are_near_one(mixup: float, cutmix: float) -> None:
    images, shares = of(mixup, cutmix)
    assert np.median(shares) > 0.99
    assert np.isfinite(shares).all()
    assert (images == IMAGES).all((1, 2, 3)).mean() > 0.7
