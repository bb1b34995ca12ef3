"""The main metric of a task: what a person looks at first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.evaluation.metrics import family_of
from components.evaluation.task_section import TaskSection, sections


@dataclass(frozen=True)
class Headline:
    """A task's main metric. low, high: its interval. baseline: of the best constant answer.
    served: of the model that was served before. better: which way is better.
    """

    task: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    baseline: float | None
    served: float | None
    better: str


def headlines(report: Mapping[str, Any]) -> list[Headline]:
    """report: `evaluation.json`, parsed."""
    return [headline(section) for section in sections(report)]


def headline(section: TaskSection) -> Headline:
    task, family = section.task, family_of(section.task["kind"])
    metric = family.names[0]
    interval = task["intervals"].get(metric) or {}
    change = task["changes"].get(metric) or {}
    return Headline(
        section.name,
        metric,
        task["values"][metric],
        interval.get("low"),
        interval.get("high"),
        section.baseline.get(metric),
        change.get("champion"),
        "lower" if metric in family.lower_is_better else "higher",
    )
