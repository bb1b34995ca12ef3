from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from models.calibration.base import Answered
from models.calibration.temperature import Temperature

RNG = np.random.default_rng(0)


def test_it_is_the_slope_of_a_logistic_regression() -> None:
    logits = RNG.normal(size=(20_000, 1))
    yes = RNG.random(20_000) < 1 / (1 + np.exp(-logits[:, 0] / 2))
    fitted = Temperature.fit(Answered(logits, yes[:, None] * 1.0, False))
    other = LogisticRegression(C=np.inf, fit_intercept=False).fit(logits, yes)
    assert 1 / fitted.temperature == pytest.approx(other.coef_[0, 0], rel=0.01)
    np.testing.assert_allclose(fitted(logits), logits / fitted.temperature)
