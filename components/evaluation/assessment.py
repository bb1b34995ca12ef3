"""Metrics of a task on all rows and per slice, with confidence intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from components.data.arrow import np
from components.evaluation.intervals import (
    Confidence,
    Interval,
    of_paired_shares,
    of_share,
    percentile,
    resamples,
)
from components.evaluation.metrics import Family, Share, TaskMetrics, family_of, measure
from components.labels.encoding import labelled
from models.tasks.base import TaskTarget

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

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
        return Answers(
            self.target,
            self.labels[rows],
            self.candidate[rows],
            None if self.champion is None else self.champion[rows],
            None if self.weights is None else self.weights[rows],
            self.decision,
        )


def assess(
    answers: Answers, slices: Mapping[str, Mask], min_rows: int, confidence: Confidence
) -> dict[str, Assessment]:
    """Assessments by slice: `ALL` first, then the slices with at least `min_rows` labelled rows."""
    family = family_of(answers.target.task.kind)
    known = labelled(answers.labels)
    labelled_rows = answers.on(known)
    kept = {name: rows[known] for name, rows in slices.items()}
    kept = {name: rows for name, rows in kept.items() if rows.sum() >= max(min_rows, 1)}
    groups = {ALL: np.ones(len(labelled_rows.labels), bool), **kept}
    parts = {name: labelled_rows.on(rows) for name, rows in groups.items()}
    measured = {name: _measure(part, part.candidate) for name, part in parts.items()}
    champions = {
        name: _measure(part, part.champion)
        for name, part in parts.items()
        if part.champion is not None
    }
    sampled = {
        name: groups[name]
        for name, metrics in measured.items()
        if any(value is not None for value in metrics.values.values())
    }
    own, paired = _resampled(family, labelled_rows, sampled, confidence)
    level = confidence.level
    return {
        name: Assessment(
            metrics,
            _intervals(family, parts[name], metrics, own.get(name, {}), level),
            _changes(
                family, parts[name], metrics, champions.get(name), paired.get(name, {}), level
            ),
        )
        for name, metrics in measured.items()
    }


def _resampled(
    family: Family, answers: Answers, groups: Mapping[str, Mask], confidence: Confidence
) -> tuple[dict[str, dict[str, Floats]], dict[str, dict[str, Floats]]]:
    """Bootstrap values [replicates] by slice and metric: the candidate's own, and the candidate's
    minus the champion's on the same resamples.
    """
    own: dict[str, list[dict[str, Floats]]] = {name: [] for name in groups}
    paired: dict[str, list[dict[str, Floats]]] = {name: [] for name in groups}
    parts = {name: answers.on(rows) for name, rows in groups.items()}
    for counts in resamples(len(answers.labels), confidence):
        weights = counts if answers.weights is None else counts * answers.weights
        for name, part in parts.items():
            of_slice = weights[:, groups[name]]
            values = family.values(part.labels, part.candidate, of_slice, part.decision)
            own[name].append(values)
            if part.champion is not None and np.isfinite(part.champion).all():
                others = family.values(part.labels, part.champion, of_slice, part.decision)
                paired[name].append({m: values[m] - others[m] for m in values})
    return (
        {name: _joined(blocks) for name, blocks in own.items()},
        {name: _joined(blocks) for name, blocks in paired.items()},
    )


def _measure(part: Answers, outputs: Floats) -> TaskMetrics:
    return measure(part.target, part.labels, outputs, part.weights, part.decision)


def _joined(blocks: list[dict[str, Floats]]) -> dict[str, Floats]:
    return {m: np.concatenate([b[m] for b in blocks]) for m in (blocks[0] if blocks else ())}


def _intervals(
    family: Family,
    part: Answers,
    metrics: TaskMetrics,
    replicates: Mapping[str, Floats],
    level: float,
) -> dict[str, Interval]:
    """Exact intervals for shares of unweighted rows, bootstrap intervals for other metrics."""
    shares = _shares(family, part, part.candidate)
    intervals: dict[str, Interval] = {}
    for metric, values in replicates.items():
        if metrics.values[metric] is None or metric in family.without_interval:
            continue
        if (share := shares.get(metric)) is not None:
            intervals[metric] = of_share(int(share.counted.sum()), int(share.among.sum()), level)
        elif (interval := percentile(values, level)) is not None:
            intervals[metric] = interval
    return intervals


def _shares(family: Family, part: Answers, outputs: Floats) -> Mapping[str, Share]:
    """The metrics that are shares of rows; empty if rows have weights."""
    return {} if part.weights is not None else family.shares(part.labels, outputs, part.decision)


def _changes(
    family: Family,
    part: Answers,
    candidate: TaskMetrics,
    champion: TaskMetrics | None,
    differences: Mapping[str, Floats],
    level: float,
) -> dict[str, Change]:
    """Differences per metric. Shares of the same rows get the interval for paired shares, other
    metrics the bootstrap interval.
    """
    if champion is None or part.champion is None:
        return {}
    ours, theirs = (_shares(family, part, o) for o in (part.candidate, part.champion))
    changes = {}
    for metric, value in candidate.values.items():
        other = champion.values[metric]
        if value is not None and other is not None:
            interval = None
            if metric in differences and metric not in family.without_interval:
                interval = (
                    _of_pair(ours[metric], theirs[metric], level)
                    if metric in ours and (ours[metric].among == theirs[metric].among).all()
                    else percentile(differences[metric], level)
                )
            changes[metric] = Change(value - other, other, interval)
    return changes


def _of_pair(ours: Share, theirs: Share, level: float) -> Interval:
    ahead, behind = ours.counted & ~theirs.counted, theirs.counted & ~ours.counted
    return of_paired_shares(int(ahead.sum()), int(behind.sum()), int(ours.among.sum()), level)
