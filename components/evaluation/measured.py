"""The metrics in an `evaluation.json`, as rows of one table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ALL_ROWS = "all"
"""The slice of all rows."""


@dataclass(frozen=True)
class Measured:
    """A metric of a task on a slice. value: None if it is undefined there. low, high: the interval;
    None for a metric without one. rows: labelled rows of the task in the slice.
    """

    task: str
    slice: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    rows: int


def measured(evaluation: Mapping[str, Any]) -> Iterator[Measured]:
    """Every metric, the main one of a task first: on all rows, then slice by slice.

    evaluation: the content of `evaluation.json`.
    """
    yield from _of_slice(ALL_ROWS, evaluation["tasks"])
    for name, content in evaluation["slices"].items():
        yield from _of_slice(name, content["tasks"])


def _of_slice(name: str, tasks: Mapping[str, Any]) -> Iterator[Measured]:
    for task, of_task in tasks.items():
        intervals = of_task.get("intervals") or {}
        for metric, value in of_task["values"].items():
            bounds = intervals.get(metric) or {}
            low, high = bounds.get("low"), bounds.get("high")
            yield Measured(task, name, metric, value, low, high, of_task["rows"])
