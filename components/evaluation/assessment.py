"""Metrics of a task on all rows and per slice, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from components.data.lazy import Floats, Mask, np
from components.evaluation.chance import Evidence, intervals_of
from components.evaluation.groups import Groups
from components.evaluation.intervals import Confidence, Interval
from components.evaluation.metrics import Family, Predictions, TaskMetrics, family_of, measure
from components.evaluation.ratios import Drawn
from components.evaluation.support import Support, shortages
from components.labels.encoding import labelled
from models.tasks.base import TaskTarget

ALL = ""
"""The slice of all rows."""


@dataclass(frozen=True)
class Change:
    """How a metric differs between candidate and champion, on the same rows.

    value: candidate minus champion. interval: paired: both are measured on the same resamples.
    """

    value: float
    champion: float
    interval: Interval | None


@dataclass(frozen=True)
class Assessment:
    """One task on one slice. intervals, changes: by metric; metrics without one are left out.

    groups: of the labelled rows. support: rows and groups of each class that metrics need enough
    of. shortages: what there is too little of, to follow "is measured on". withheld: metrics that
    would have an interval if there were enough rows or groups.
    """

    metrics: TaskMetrics
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)
    groups: int = 0
    support: Mapping[str, Support] = field(default_factory=dict)
    shortages: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """A task's labels, and what candidate and champion answer, row by row.

    labels: encoded as `models.tasks` states. candidate, champion: float [rows, width].
    weights: [rows]. decision: probabilities above it count as positive. groups: of the rows; None
    if every row is one.
    """

    target: TaskTarget
    labels: np.ndarray
    candidate: Floats
    champion: Floats | None
    weights: Floats | None
    decision: float
    groups: Groups | None = None

    def on(self, rows: Mask) -> Answers:
        """The same for some of the rows."""

        def some(values: Floats | None) -> Floats | None:
            return None if values is None else values[rows]

        return replace(
            self,
            labels=self.labels[rows],
            candidate=self.candidate[rows],
            champion=some(self.champion),
            weights=some(self.weights),
            groups=None if self.groups is None else self.groups.on(rows),
        )

    @property
    def family(self) -> Family:
        return family_of(self.target.task.kind)

    def measure(self, outputs: Floats) -> TaskMetrics:
        return measure(self.target, self.labels, outputs, self.weights, self.decision)

    @property
    def drawn(self) -> Drawn:
        rows = len(self.labels)
        groups = Groups.of_rows(rows) if self.groups is None else self.groups
        if self.weights is None:
            return Drawn(groups, np.ones(rows), False)
        total = float(self.weights.sum())
        return Drawn(groups, self.weights * (rows / total) if total else self.weights, True)

    def predictions(self, outputs: Floats) -> Predictions:
        """The rows with the outputs of one of the models."""
        return Predictions(self.labels, outputs, self.decision)


def assess(
    answers: Answers, slices: Mapping[str, Mask], min_rows: int, confidence: Confidence
) -> dict[str, Assessment]:
    """Assessments by slice: `ALL` first, then the slices with at least `min_rows` labelled rows."""
    known = labelled(answers.labels)
    answers = answers.on(known)
    inside = {ALL: np.ones(len(answers.labels), bool)}
    inside |= {name: rows[known] for name, rows in slices.items()}
    return {
        name: _assessed(answers.on(rows), confidence)
        for name, rows in inside.items()
        if name == ALL or rows.sum() >= max(min_rows, 1)
    }


def _assessed(answers: Answers, confidence: Confidence) -> Assessment:
    """These rows, all of which have a label."""
    measured, drawn, family = answers.measure(answers.candidate), answers.drawn, answers.family
    rows = answers.predictions(answers.candidate)
    every = Support.of(np.ones(len(answers.labels), bool), drawn)
    of_class = {
        name: Support.of(mask, drawn)
        for name, mask in family.decisive(rows, answers.target.classes).items()
    }
    assessment = Assessment(
        measured,
        groups=every.groups,
        support=of_class,
        shortages=tuple(shortages(every, of_class, not drawn.groups.single)),
    )
    if all(v is None for v in measured.values.values()):
        return assessment
    evidence = Evidence(drawn, every.effective, min(s.effective for s in of_class.values()))
    models, changes = [rows], dict[str, Change]()
    if answers.champion is not None and np.isfinite(answers.champion).all():
        models.append(answers.predictions(answers.champion))
    found, changed = dict[str, Interval](), dict[str, Interval]()
    if confidence.replicates:
        found, *more = intervals_of(family, models, evidence, confidence)
        changed = more[0] if more else {}
    if answers.champion is not None:
        champion = answers.measure(answers.champion)
        for metric, value in measured.values.items():
            other = champion.values[metric]
            if value is not None and other is not None:
                changes[metric] = Change(value - other, other, changed.get(metric))
    found = {m: i for m, i in found.items() if measured.values[m] is not None}
    known = {m for m, v in measured.values.items() if v is not None}
    missing = known - found.keys() - family.without_interval if confidence.replicates else set()
    withheld = tuple(m for m in family.names if m in missing)
    return replace(assessment, intervals=found, changes=changes, withheld=withheld)
