"""The table of results that ends a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.report.results import results


def task(kind: str, value: float | None, metric: str, served: float | None) -> dict[str, Any]:
    interval = None if value is None else {"low": value - 0.05, "high": value + 0.05}
    return {
        "task": metric,
        "kind": kind,
        "values": {metric: value},
        "intervals": {metric: interval},
        "changes": {} if served is None else {metric: {"champion": served}},
    }


def written(directory: Path, served: float | None) -> Path:
    tasks = {
        "churned": task("binary", 0.85341, "auc", served),
        "spend": task("regression", 3.1, "mae", None),
    }
    tasks["churned"]["task"], tasks["spend"]["task"] = tasks
    report = {
        "rows": 1104,
        "split": "test",
        "level": 0.95,
        "tasks": tasks,
        "slices": {},
        "groups": 0,
        "baselines": {"churned": {"auc": 0.5}, "spend": {"mae": 22.1}},
    }
    (directory / "evaluation.json").write_text(json.dumps(report))
    return directory


def test_each_task_stands_beside_the_best_constant_answer(tmp_path: Path) -> None:
    title, header, *rows = results(written(tmp_path, served=None), piped=100).splitlines()
    assert title == "1,104 test rows:"
    assert header.split("  ")[-1].strip() == "best constant answer"
    assert [row.split() for row in rows[:2]] == [
        ["churned", "auc", "0.8534", "0.8034", "to", "0.9034", "0.5"],
        ["spend", "mae,", "lower", "is", "better", "3.1", "3.05", "to", "3.15", "22.1"],
    ]


def test_the_model_that_was_served_before(tmp_path: Path) -> None:
    _, header, churned, spend, *_ = results(written(tmp_path, served=0.8), piped=100).splitlines()
    assert header.endswith("served before")
    assert churned.endswith("0.8")
    assert spend.split()[-1] == "22.1"


def test_it_fits_a_narrow_terminal(tmp_path: Path) -> None:
    lines = results(written(tmp_path, served=0.8), piped=60).splitlines()
    assert max(map(len, lines)) <= 60
