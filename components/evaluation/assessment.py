"""Metrics of a task on all rows and per slice, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from components.data.lazy import Floats, Mask, np
from components.evaluation import intervals
from components.evaluation.intervals import Confidence, Interval
from components.evaluation.metrics import (
    Family,
    Predictions,
    Share,
    TaskMetrics,
    family_of,
    measure,
)
from components.labels.encoding import labelled
from models.tasks.base import TaskTarget

ALL = ""
"""The slice of all rows."""
Replicates = Mapping[str, "Floats"]
"""Bootstrap values [replicates] by metric."""


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
    """One task on one slice. intervals, changes: by metric; metrics without one are left out."""

    metrics: TaskMetrics
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)


@dataclass(frozen=True)
class Answers:
    """A task's labels, and what candidate and champion answer, row by row.

    labels: encoded as `models.tasks` states. candidate, champion: float [rows, width].
    weights: [rows]. decision: probabilities above it count as positive.
    """

    target: TaskTarget
    labels: np.ndarray
    candidate: Floats
    champion: Floats | None
    weights: Floats | None
    decision: float

    def on(self, rows: Mask) -> Answers:
        """The same for some of the rows."""

        def some(values: Floats | None) -> Floats | None:
            return None if values is None else values[rows]

        champion, weights = some(self.champion), some(self.weights)
        labels, candidate = self.labels[rows], self.candidate[rows]
        return replace(self, labels=labels, candidate=candidate, champion=champion, weights=weights)

    @property
    def family(self) -> Family:
        return family_of(self.target.task.kind)

    def measure(self, outputs: Floats) -> TaskMetrics:
        return measure(self.target, self.labels, outputs, self.weights, self.decision)

    def shares(self, outputs: Floats) -> Mapping[str, Share]:
        """The metrics of a model that are shares of rows; empty if rows have weights."""
        return {} if self.weights is not None else self.family.shares(self.predictions(outputs))

    def predictions(self, outputs: Floats) -> Predictions:
        """The rows with the outputs of one of the models."""
        return Predictions(self.labels, outputs, self.decision)


def assess(
    answers: Answers, slices: Mapping[str, Mask], min_rows: int, confidence: Confidence
) -> dict[str, Assessment]:
    """Assessments by slice: `ALL` first, then the slices with at least `min_rows` labelled rows."""
    known = labelled(answers.labels)
    answers = answers.on(known)
    groups = {ALL: np.ones(len(answers.labels), bool)}
    groups |= {name: rows[known] for name, rows in slices.items()}
    groups = {n: rows for n, rows in groups.items() if n == ALL or rows.sum() >= max(min_rows, 1)}
    parts = {name: answers.on(rows) for name, rows in groups.items()}
    measured = {name: part.measure(part.candidate) for name, part in parts.items()}
    defined = [n for n, m in measured.items() if any(v is not None for v in m.values.values())]
    own, paired = _resampled(answers, {n: groups[n] for n in defined}, confidence)
    level = confidence.level
    return {
        name: Assessment(
            metrics,
            _intervals(parts[name], metrics, own.get(name, {}), level),
            _changes(parts[name], metrics, paired.get(name, {}), level),
        )
        for name, metrics in measured.items()
    }


def _resampled(
    answers: Answers, groups: Mapping[str, Mask], confidence: Confidence
) -> tuple[dict[str, Replicates], dict[str, Replicates]]:
    """By slice: the candidate's values, and by how much they exceed the champion's there."""
    own: dict[str, list[Replicates]] = {name: [] for name in groups}
    paired: dict[str, list[Replicates]] = {name: [] for name in groups}
    parts = {name: answers.on(rows) for name, rows in groups.items()}
    for counts in intervals.resamples(len(answers.labels), confidence):
        weights = counts if answers.weights is None else counts * answers.weights
        for name, part in parts.items():
            of_slice = weights[:, groups[name]]
            values = part.family.values(part.predictions(part.candidate), of_slice)
            own[name].append(values)
            if part.champion is not None and np.isfinite(part.champion).all():
                others = part.family.values(part.predictions(part.champion), of_slice)
                paired[name].append({m: values[m] - others[m] for m in values})
    return (
        {name: _joined(blocks) for name, blocks in own.items()},
        {name: _joined(blocks) for name, blocks in paired.items()},
    )


def _joined(blocks: list[Replicates]) -> Replicates:
    return {m: np.concatenate([b[m] for b in blocks]) for m in (blocks[0] if blocks else ())}


def _intervals(
    part: Answers, metrics: TaskMetrics, replicates: Replicates, level: float
) -> dict[str, Interval]:
    """Exact intervals for shares of unweighted rows, bootstrap intervals for other metrics."""
    shares = part.shares(part.candidate)
    by_metric: dict[str, Interval] = {}
    for metric, values in replicates.items():
        if metrics.values[metric] is None or metric in part.family.without_interval:
            continue
        if share := shares.get(metric):
            counted, among = int(share.counted.sum()), int(share.among.sum())
            by_metric[metric] = intervals.of_share(counted, among, level)
        elif interval := intervals.percentile(values, level):
            by_metric[metric] = interval
    return by_metric


def _changes(
    part: Answers, metrics: TaskMetrics, differences: Replicates, level: float
) -> dict[str, Change]:
    """Differences per metric. Shares of the same rows get the interval for paired shares, other
    metrics the bootstrap interval.
    """
    if part.champion is None:
        return {}
    champion = part.measure(part.champion)
    ours, theirs = (part.shares(outputs) for outputs in (part.candidate, part.champion))
    changes = {}
    for metric, value in metrics.values.items():
        other = champion.values[metric]
        if value is None or other is None:
            continue
        interval = None
        if metric in differences and metric not in part.family.without_interval:
            if metric in ours and (ours[metric].among == theirs[metric].among).all():
                interval = _of_pair(ours[metric], theirs[metric], level)
            else:
                interval = intervals.percentile(differences[metric], level)
        changes[metric] = Change(value - other, other, interval)
    return changes


def _of_pair(ours: Share, theirs: Share, level: float) -> Interval:
    ahead, behind = ours.counted & ~theirs.counted, theirs.counted & ~ours.counted
    total = int(ours.among.sum())
    return intervals.of_paired_shares(int(ahead.sum()), int(behind.sum()), total, level)
