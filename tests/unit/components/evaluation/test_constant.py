"""The best constant answer, against a search over constants."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, mean_poisson_deviance

from components.evaluation.constant import best_constant
from components.evaluation.metrics import family_of, measure
from models.tasks.base import Task, TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.count import CountTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

RNG = np.random.default_rng(0)
ROWS = 400
FRAME = pd.DataFrame({"x": np.zeros(ROWS)})


def target(task: Task, classes: tuple[str, ...] = ()) -> TaskTarget:
    return TaskTarget(task=task, classes=classes)


def multilabel() -> np.ndarray:
    """Two labels that usually come together, so that the most frequent set is not the set of the
    labels of most rows, and a rare one.
    """
    sets = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    return sets[RNG.choice(5, ROWS, p=(0.35, 0.13, 0.13, 0.05, 0.34))].astype(np.float32)


CASES = {
    "regression": (
        target(RegressionTask(name="t", label="y")),
        RNG.lognormal(1, 1, ROWS).astype(np.float32),
        lambda: RNG.uniform(0, 20, 1),
    ),
    "count": (
        target(CountTask(name="t", label="y")),
        RNG.negative_binomial(1, 0.2, ROWS).astype(np.float32),
        lambda: RNG.uniform(0, 20, 1),
    ),
    "binary": (
        target(BinaryTask(name="t", label="y", positive=("1",)), ("negative", "positive")),
        (RNG.random(ROWS) < 0.2).astype(np.float32),
        lambda: RNG.uniform(0, 1, 1),
    ),
    "multiclass": (
        target(MulticlassTask(name="t", label="y"), tuple("abcdefg")),
        RNG.choice(7, ROWS, p=(0.1, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1)).astype(np.int32),
        lambda: RNG.dirichlet(np.ones(7)),
    ),
    "multilabel": (
        target(MultilabelTask(name="t", label="y"), tuple("abc")),
        multilabel(),
        lambda: RNG.uniform(0, 1, 3),
    ),
}
BY_METRIC = [
    (kind, metric)
    for kind in CASES
    for metric in family_of(kind).names
    if metric not in ("best_f1_threshold",)  # a place, not a quality
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "metric"), BY_METRIC)
def test_no_other_constant_is_better(kind: str, metric: str) -> None:
    """Of 200 at random; on the labels that the constant was chosen for."""
    task, labels, draw = CASES[kind]
    sign = -1 if metric in family_of(kind).lower_is_better else 1

    def value(answers: np.ndarray) -> float:
        found = measure(task, labels, answers).values[metric]
        return -np.inf if found is None else sign * found

    best = value(best_constant(task, labels, metric)(FRAME))
    others = [value(np.tile(draw(), (ROWS, 1))) for _ in range(200)]
    assert best >= max(others) - 1e-9


def test_the_constant_is_the_median_for_absolute_errors_and_the_mean_for_squared_ones() -> None:
    task, labels, _ = CASES["regression"]
    missing = labels.copy()
    missing[::3] = np.nan
    known = missing[~np.isnan(missing)].astype(np.float64)
    for metric, expected in (("mae", np.median(known)), ("rmse", known.mean())):
        answers = best_constant(task, missing, metric)(FRAME)
        assert answers.shape == (ROWS, 1)
        np.testing.assert_allclose(answers, expected)
    assert mean_absolute_error(known, np.full(len(known), np.median(known))) < mean_absolute_error(
        known, np.full(len(known), known.mean())
    )


def test_a_count_of_zero_is_never_expected_where_deviance_counts() -> None:
    """The median of rare events is 0, and its deviance is enormous."""
    labels = (RNG.random(ROWS) < 0.1).astype(np.float32)
    answers = best_constant(CASES["count"][0], labels, "deviance")(FRAME)
    np.testing.assert_allclose(answers, labels.mean(), rtol=1e-6)
    assert mean_poisson_deviance(labels, answers[:, 0]) < 1
