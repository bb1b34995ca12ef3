from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from models.calibration.base import Answered
from models.calibration.isotonic import Isotonic

RNG = np.random.default_rng(0)
ROWS = 800


def reference(odds: np.ndarray, yes: np.ndarray, places: np.ndarray) -> np.ndarray:
    least = 1 / (len(yes) + 2)
    model = IsotonicRegression(y_min=least, y_max=1 - least, out_of_bounds="clip")
    return model.fit(odds, yes).predict(places)


def test_it_is_that_of_scikit_learn() -> None:
    logits = RNG.normal(size=(ROWS, 1)).round(2)  # with ties
    yes = (RNG.random(ROWS) < logits[:, 0] ** 2 / 8) * 1.0
    fitted = Isotonic.fit(Answered(logits, yes[:, None], False))
    places = np.linspace(-5, 5, 101)
    p = 1 / (1 + np.exp(-np.asarray(fitted(places[:, None].astype(np.float32)))[:, 0]))
    np.testing.assert_allclose(p, reference(logits[:, 0], yes, places), atol=1e-5)


def test_of_several_classes_each_has_its_own_and_they_sum_to_one() -> None:
    logits = RNG.normal(size=(ROWS, 3))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    classes = (p.cumsum(axis=1) < RNG.random((ROWS, 1))).sum(axis=1)
    fitted = Isotonic.fit(Answered(logits, np.eye(3)[classes], True))
    outputs = np.asarray(fitted(logits))
    calibrated = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    odds = (np.log(p) - np.log1p(-p)).round(4)
    expected = np.stack([reference(odds[:, c], classes == c, odds[:, c]) for c in range(3)], 1)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrated, expected, atol=6e-3)
    assert calibrated.min() > 0


def test_units_may_have_different_numbers_of_knots() -> None:
    logits = np.repeat(np.arange(-19.5, 20)[:, None] / 10, 2, axis=1)
    stairs = [0] * 10 + [1, 0] * 10 + [1] * 10
    targets = np.stack([logits[:, 0] > 0, stairs], axis=1) * 1.0
    fitted = Isotonic.fit(Answered(logits, targets, False))
    first, second = map(len, fitted.places)
    assert (first, second) == (4, 6)
    for unit in range(2):
        p = 1 / (1 + np.exp(-np.asarray(fitted(logits))[:, unit]))
        expected = reference(logits[:, unit], targets[:, unit], logits[:, unit])
        np.testing.assert_allclose(p, expected, atol=1e-5)
    assert 0 < min(map(min, fitted.heights)) == pytest.approx(1 / 42)
