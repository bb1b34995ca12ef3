"""Against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_poisson_deviance

from components.evaluation.metrics import measure
from models.tasks.base import TaskTarget
from models.tasks.count import CountTask

TARGET = TaskTarget(task=CountTask(name="t", label="y"))


@pytest.mark.parametrize("seed", range(20))
def test_values_are_those_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    expected = np.exp(rng.normal(rng.uniform(-2, 4), 1, 50))
    labels = rng.poisson(expected).astype(np.float32)
    outputs = expected * np.exp(rng.normal(0, 0.3, 50))
    weights = rng.random(50) if seed % 2 else None
    labels[rng.random(50) < 0.2] = np.nan
    labels[0] = 0
    known = ~np.isnan(labels)
    found = measure(TARGET, labels, outputs, weights)
    given = {"sample_weight": None if weights is None else weights[known]}
    assert found.values == {
        "deviance": pytest.approx(mean_poisson_deviance(labels[known], outputs[known], **given)),
        "mae": pytest.approx(mean_absolute_error(labels[known], outputs[known], **given)),
    }
    assert found.rows == known.sum()


def test_an_expected_count_of_0_is_bad_but_finite() -> None:
    found = measure(TARGET, np.array([0, 3], np.float32), np.zeros(2))
    assert found.values["mae"] == 1.5
    assert 200 < found.values["deviance"] < 300
