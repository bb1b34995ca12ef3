"""Thresholds of a starter spec: only where the test rows suffice to decide."""

from __future__ import annotations

import pyarrow as pa
import pytest

from components.evaluation.thresholds import Threshold, check_thresholds
from models.discovery import methods
from models.tasks.base import Task
from pipeline.spec.starter_thresholds import guess_thresholds

ROWS = 1000
TABLE = pa.table(
    {
        "y": ["yes", "no"] * (ROWS // 2),
        "rare": ["yes"] * 100 + ["no"] * (ROWS - 100),
        "amount": [float(i) for i in range(ROWS)],
        "patient": [f"p{i % 100}" for i in range(ROWS)],
        "visit": [f"v{i % 900}" for i in range(ROWS)],
    }
)
TASKS = {
    "y": {"kind": "binary", "label": "y"},
    "rare": {"kind": "binary", "label": "rare"},
    "amount": {"kind": "regression", "label": "amount"},
}


def test_tasks_with_enough_test_rows_of_each_class_have_thresholds() -> None:
    assert guess_thresholds(TASKS, TABLE, None, 0.1) == [
        {"task": "y", "metric": "auc", "min": 0.5},
        {"task": "y", "metric": "auc", "min_change": 0, "meets": "possibly"},
        {"task": "amount", "metric": "r2", "min": 0.0},
        {"task": "amount", "metric": "mae", "max_change": 0, "meets": "possibly"},
    ]


def test_few_groups_decide_nothing() -> None:
    assert guess_thresholds(TASKS, TABLE, "patient", 0.1) == []
    assert guess_thresholds(TASKS, TABLE, "visit", 0.1)


def test_without_test_rows_there_are_none() -> None:
    assert guess_thresholds(TASKS, TABLE, None, 0.0) == []


@pytest.mark.parametrize("kind", methods("models.tasks", Task, "kind"))
def test_the_evaluator_accepts_those_of_every_kind(kind: str) -> None:
    task = methods("models.tasks", Task, "kind")[kind](name="t", label="y")
    found = guess_thresholds({"t": {"kind": kind, "label": "y"}}, TABLE, None, 0.5)
    assert found
    check_thresholds([task], [Threshold(**threshold) for threshold in found])
