from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.calibration.base import Answered
from models.calibration.platt import Platt

RNG = np.random.default_rng(0)


def test_of_two_classes_it_is_a_logistic_regression() -> None:
    """As `CalibratedClassifierCV(method="sigmoid")` fits, but for the smoothing of labels."""
    logits = RNG.normal(size=(20_000, 1))
    yes = RNG.random(20_000) < 1 / (1 + np.exp(1 - logits[:, 0] / 2))
    fitted = Platt.fit(Answered(logits, yes[:, None] * 1.0, False))
    other = LogisticRegression(C=np.inf).fit(logits, yes)
    assert fitted.slopes[0] == pytest.approx(other.coef_[0, 0], rel=0.02)
    assert fitted.biases[0] == pytest.approx(other.intercept_[0], rel=0.02)
    expected = logits * fitted.slopes[0] + fitted.biases[0]
    np.testing.assert_allclose(fitted(logits), expected)


def test_slopes_are_not_negative() -> None:
    logits = RNG.normal(size=(500, 1))
    fitted = Platt.fit(Answered(logits, (logits < 0) * 1.0, False))
    assert fitted.slopes == (0.0,)


def test_every_class_has_its_own() -> None:
    logits = RNG.normal(size=(2000, 3))
    p = np.exp(logits + np.array([1.0, 0, 0]))
    classes = ((p / p.sum(axis=1, keepdims=True)).cumsum(1) < RNG.random((2000, 1))).sum(axis=1)
    fitted = Platt.fit(Answered(logits, np.eye(3)[classes], True))
    assert fitted.biases[0] - fitted.biases[1] == pytest.approx(1, abs=0.2)
