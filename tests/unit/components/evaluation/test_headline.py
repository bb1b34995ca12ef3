"""The main metric of each task."""

from __future__ import annotations

from components.evaluation.headline import Headline, headlines


def test_the_main_metric_of_each_task_stands_beside_baseline_and_served_model() -> None:
    income = {
        "task": "income",
        "kind": "binary",
        "values": {"auc": 0.9, "f1": 0.7},
        "intervals": {"auc": {"low": 0.8, "high": 0.95}},
        "changes": {"auc": {"champion": 0.85}},
    }
    rent = {
        "task": "rent",
        "kind": "regression",
        "values": {"mae": None},
        "intervals": {},
        "changes": {},
    }
    report = {
        "groups": 0,
        "slices": {},
        "tasks": {"income": income, "rent": rent},
        "baselines": {"income": {"auc": 0.5}},
    }
    assert headlines(report) == [
        Headline("income", "auc", 0.9, 0.8, 0.95, 0.5, 0.85, "higher"),
        Headline("rent", "mae", None, None, None, None, None, "lower"),
    ]
