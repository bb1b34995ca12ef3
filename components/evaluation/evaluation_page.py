"""`evaluation.html`: the evaluation and its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.pages import render

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Curve:
    """A line through points of the unit square. diagonal: whether to draw y = x."""

    title: str
    x: str
    y: str
    points: Sequence[Sequence[float]]
    diagonal: bool


@dataclass(frozen=True)
class EvaluationPage:
    """What the template reads. report, verdict: `evaluation.json` and `blessing.json`, parsed."""

    report: Json
    verdict: Json
    title: str = "Evaluation"

    def curves(self, task: Json) -> list[Curve]:
        before = task.get("uncalibrated", {}).get("reliability", ())
        curves = [
            Curve("ROC", "false positive rate", "true positive rate", task["roc"], True),
            Curve("Precision and recall", "recall", "precision", task["precision_recall"], False),
            _reliability("Reliability", task["reliability"]),
            _reliability("Reliability before calibration", before),
        ]
        return [curve for curve in curves if curve.points]

    def slices(self, task: str) -> dict[str, Json]:
        """The task's figures by slice, of the slices with enough labelled rows."""
        slices = self.report["slices"].items()
        return {name: s["tasks"][task] for name, s in slices if task in s["tasks"]}

    def small_slices(self, task: str) -> list[str]:
        """The slices with too few labelled rows."""
        return [name for name, s in self.report["slices"].items() if task not in s["tasks"]]

    def slice_metrics(self, task: Json) -> list[str]:
        """The metrics that some slice defines."""
        slices = self.slices(task["task"]).values()
        return [m for m in task["values"] if any(s["values"][m] is not None for s in slices)]


def _reliability(title: str, bins: Sequence[Json]) -> Curve:
    points = [(b["confidence"], b["accuracy"]) for b in bins]
    return Curve(title, "confidence", "accuracy", points, True)


def page(report: Json, verdict: Json) -> str:
    """The page as HTML. report, verdict: `evaluation.json` and `blessing.json`, parsed."""
    return render(__name__, EvaluationPage(report, verdict))
