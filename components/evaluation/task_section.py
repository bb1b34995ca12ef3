"""The figures of one task on a page: of `evaluation.html`, and of the page of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.charts import Plot, Point, Series, unit_square

Json = Mapping[str, Any]
MOST_CLASSES = 20
"""A larger confusion matrix is replaced by its most frequent confusions."""
MOST_CONFUSIONS = 15
FEWEST_IN_BIN = 2
"""The accuracy of a single row is 0 or 1, which says nothing about reliability."""


@dataclass(frozen=True)
class Cell:
    """A field of a confusion matrix. shade: 0 to 10, its share of the true class."""

    count: int
    shade: int
    right: bool
    note: str


@dataclass(frozen=True)
class TaskSection:
    """A task of `evaluation.json`, parsed. slices: `report["slices"]`. baseline: the metrics of the
    best constant answer.
    """

    task: Json
    slices: Json
    baseline: Json
    grouped: bool = False

    @property
    def name(self) -> str:
        return str(self.task["task"])

    def plots(self) -> list[Plot]:
        """ROC, precision and recall, reliability: those that the task has."""
        task = self.task
        rates = ("false positive rate", "true positive rate")
        curves = [
            unit_square(Series("ROC", _points(task["roc"])), *rates, "ROC", diagonal=True),
            unit_square(
                Series("Precision", _points(task["precision_recall"])),
                "recall",
                "precision",
                "Precision and recall",
            ),
            _reliability("Reliability: rows by confidence", task["reliability"]),
            _reliability("Reliability before calibration", self._before()),
        ]
        return [plot for plot in curves if any(line.points for line in plot.lines)]

    def single_bins(self) -> int:
        """Bins of the reliability diagram that are not drawn, because they hold one row."""
        bins = (*self.task["reliability"], *self._before())
        return len(bins) - len(_drawn(bins))

    def confusion(self) -> list[tuple[str, list[Cell]]]:
        """Its rows with the name of the true class; none for many classes, or no classes."""
        counts, classes = self.task["confusion"], self.task["classes"]
        if not counts or len(classes) > MOST_CLASSES:
            return []
        return [(classes[i], self._cells(i, row)) for i, row in enumerate(counts)]

    def confusions(self) -> list[tuple[str, str, int]]:
        """Of many classes: true class, answered class and rows, the most frequent first."""
        counts, classes = self.task["confusion"], self.task["classes"]
        if len(classes) <= MOST_CLASSES:
            return []
        wrong = [
            (classes[i], classes[j], n)
            for i, row in enumerate(counts)
            for j, n in enumerate(row)
            if i != j and n
        ]
        return sorted(wrong, key=lambda found: -found[2])[:MOST_CONFUSIONS]

    def classes(self) -> list[tuple[str, ...]]:
        """Of each class: name, rows, precision, recall, F1."""
        counts = self.task["confusion"]
        answered = [sum(column) for column in zip(*counts, strict=True)]
        rows = []
        for i, name in enumerate(self.task["classes"] if counts else ()):
            right, true = counts[i][i], sum(counts[i])
            shares = ((right, answered[i]), (right, true), (2 * right, true + answered[i]))
            figures = (f"{a / b:.3f}" if b else "undefined" for a, b in shares)
            rows.append((name, f"{true:,}", *figures))
        return rows

    def measured_slices(self) -> dict[str, Json]:
        """The task's figures by slice, of the slices with enough labelled rows."""
        slices = self.slices.items()
        return {name: s["tasks"][self.name] for name, s in slices if self.name in s["tasks"]}

    def small_slices(self) -> list[str]:
        """The slices with too few labelled rows."""
        return [name for name, s in self.slices.items() if self.name not in s["tasks"]]

    def slice_metrics(self) -> list[str]:
        """The metrics that some slice defines."""
        slices = self.measured_slices().values()
        return [m for m in self.task["values"] if any(s["values"][m] is not None for s in slices)]

    def _before(self) -> Sequence[Json]:
        """The bins of the answers before calibration, if there is one."""
        bins: Sequence[Json] = self.task.get("uncalibrated", {}).get("reliability", ())
        return bins

    def _cells(self, i: int, counts: Sequence[int]) -> list[Cell]:
        total, classes = sum(counts), self.task["classes"]
        return [
            Cell(
                n,
                -(-10 * n // total) if total else 0,
                i == j,
                f"{n:,} of {total:,} rows of {classes[i]} were answered {classes[j]}",
            )
            for j, n in enumerate(counts)
        ]


def sections(report: Json) -> list[TaskSection]:
    """report: `evaluation.json`, parsed."""
    baselines = report.get("baselines", {})
    grouped = bool(report["groups"])
    return [
        TaskSection(task, report["slices"], baselines.get(name, {}), grouped)
        for name, task in report["tasks"].items()
    ]


def _points(pairs: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    return tuple(Point(x, y) for x, y in pairs)


def _drawn(bins: Sequence[Json]) -> list[Json]:
    return [b for b in bins if b.get("count", 0) >= FEWEST_IN_BIN]


def _reliability(title: str, bins: Sequence[Json]) -> Plot:
    rows = Series("Rows", tuple(map(_bin, _drawn(bins))))
    return unit_square(rows, "confidence", "accuracy", title, joined=False, diagonal=True)


def _bin(found: Json) -> Point:
    note = f"{found['count']:,} rows, confidence {found['confidence']:.3f}"
    note += f", accuracy {found['accuracy']:.3f}"
    return Point(found["confidence"], found["accuracy"], rows=found["count"], note=note)
