"""Bootstrap samples of groups, such as patients, of whom each has many rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm

from components.evaluation.groups import Groups
from components.experiments.trial_result import TaskFigures, task_figures
from models.tasks.base import TaskTarget
from models.tasks.regression import RegressionTask
from pipeline.study.verdict import Differences, decide

TARGET = TaskTarget(task=RegressionTask(name="dose", label="y"))


def figures(answers: np.ndarray, groups: Groups) -> TaskFigures:
    labels = np.zeros(len(answers), np.float32)
    scored = dict.fromkeys(("train", "val", "test"), (labels, answers[:, None]))
    return task_figures(TARGET, scored, {"val": groups, "test": groups})


def row_error(answers: list[np.ndarray], groups: Groups) -> float:
    """Of the difference between the absolute errors of two models."""
    ours, theirs = (np.array(figures(a, groups).resampled["mae"], np.float64) for a in answers)
    return float(np.std(ours - theirs, ddof=1))


@pytest.mark.parametrize("patients", [8, 60])
def test_the_error_by_group_is_the_clustered_error_of_statsmodels(patients: int) -> None:
    rng = np.random.default_rng(patients)
    ids = np.repeat(np.arange(patients), rng.integers(20, 250, patients))
    effects = rng.normal(0, 1, patients)[ids]
    answers = [10 + effects + rng.normal(0, 0.1, len(ids)), np.full(len(ids), 10.0)]
    model = sm.OLS(np.abs(answers[0]) - np.abs(answers[1]), np.ones(len(ids)))
    options = {"groups": ids, "use_correction": False}
    clustered = model.fit(cov_type="cluster", cov_kwds=options).bse[0]
    assert row_error(answers, Groups.by(ids)) == pytest.approx(clustered, rel=0.25)
    assert row_error(answers, Groups.of_rows(len(ids))) < clustered / 2


def test_eight_patients_do_not_show_what_a_thousand_rows_seem_to_show() -> None:
    """Two models that differ by chance from patient to patient; seven seeds agree on it."""
    rng = np.random.default_rng(3)
    ids = np.repeat(np.arange(8), 135)
    effects = 0.5 + rng.normal(0, 2, 8)[ids]
    by_seed = effects.mean() + rng.normal(0, 0.01, 7)
    answers = [10 + effects, np.full(len(ids), 10.0)]
    outcomes = []
    for groups in (Groups.of_rows(len(ids)), Groups.by(ids)):
        error = row_error(answers, groups)
        d = Differences("dose", by_seed, 0.01, error, groups=groups.count)
        outcomes.append(decide([d], 0.05)[0].outcome)
    assert outcomes[0] in ("helps", "hurts")
    assert outcomes[1] == "undecided"


def test_groups_are_counted_where_they_have_labels() -> None:
    table = pa.table({"subject": ["a", "a", "b", "c", None]})
    labels = np.array([np.nan, 1, np.nan, 2, 3], np.float32)
    scored = {split: (labels, np.zeros((5, 1))) for split in ("train", "test")}
    groups = Groups.by_key(table, ("subject",))
    assert task_figures(TARGET, scored, {"test": groups}).groups == {"test": 3}
