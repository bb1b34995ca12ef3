"""What experts say is added to the representation."""

from __future__ import annotations

import numpy as np

from models.lazy import keras
from models.multitask.fusion import LIMIT, Fusion

RNG = np.random.default_rng(0)
SHOWN, SAID = RNG.normal(size=(6, 4)).astype("float32"), RNG.normal(size=(6, 3)).astype("float32")


def test_at_first_it_changes_nothing() -> None:
    np.testing.assert_array_equal(np.asarray(Fusion(4, 3)(SHOWN, SAID)), SHOWN)


def test_it_follows_the_formula() -> None:
    keras.utils.set_random_seed(1)
    fusion = Fusion(4, 3)
    fusion.added.kernel.assign(RNG.normal(size=fusion.added.kernel.shape))
    fusion.standardise_by(SAID)
    margins = SAID.copy()
    margins[0] = 1e6  # a certain expert
    standard = (margins - SAID.mean(0)) / SAID.std(0)
    both = np.concatenate([SHOWN, np.clip(standard, -LIMIT, LIMIT)], axis=1)
    kernel, bias = (np.asarray(v) for v in fusion.hidden.weights)
    expected = SHOWN + np.maximum(both @ kernel + bias, 0) @ np.asarray(fusion.added.kernel)
    np.testing.assert_allclose(np.asarray(fusion(SHOWN, margins)), expected, rtol=1e-4, atol=1e-5)


def test_a_margin_that_is_always_the_same_is_zero() -> None:
    fusion = Fusion(4, 3)
    fusion.standardise_by(np.full((5, 3), 7.0, "float32"))
    assert np.asarray(fusion.deviation).tolist() == [1.0] * 3
    assert np.asarray(fusion.mean).tolist() == [7.0] * 3
