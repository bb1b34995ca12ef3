"""The metric by which models are compared on each task."""

from __future__ import annotations

from collections.abc import Mapping

from components.errors import RootstockError
from components.evaluation.metrics import family_of
from components.evaluation.thresholds import Threshold, check_thresholds
from pipeline.spec.sections import Spec


def chosen_metrics(spec: Spec, section: str, named: Mapping[str, str]) -> dict[str, str]:
    """The metric of each task: the one named for it, else the first of its kind.

    Raises:
        RootstockError: `<section>.metrics` names an unknown task or metric.
    """
    tasks = tuple(spec.tasks.values())
    for task, metric in named.items():
        try:
            check_thresholds(tasks, [Threshold(task=task, metric=metric, min=0.0)])
        except RootstockError as e:
            raise RootstockError(str(e).replace("thresholds: ", f"{section}.metrics: ", 1)) from e
    return {t.name: named.get(t.name, family_of(t.kind).names[0]) for t in tasks}


def sign(spec: Spec, task: str, metric: str) -> int:
    """1 if larger values of the metric are better, -1 if smaller ones are."""
    return -1 if metric in family_of(spec.tasks[task].kind).lower_is_better else 1
