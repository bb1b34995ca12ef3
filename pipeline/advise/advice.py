"""Advice from representations, labels and task affinities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from components.data.arrow import Floats, np
from components.labels.base import labels_of
from components.labels.encoding import labelled
from models.tasks.base import Task
from pipeline.advise import transferability
from pipeline.advise.grouping import Grouping, best_grouping

ROWS = 2000
"""Training rows that are used at most; half as many validation rows for the linear probe."""
CLASSES = 10
"""Classes of a multilabel task that are used at most."""
SURE = 2.0
"""Standard errors from zero at which the sign of an affinity counts."""


@dataclass(frozen=True)
class Represented:
    """A trunk's representation of rows, float [rows, width], and their encoded labels by task."""

    features: Floats
    labels: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class TrunkScores:
    """The scores of a candidate trunk.

    fresh: whether its weights are random. scores: by task, then by score. rank: mean rank over all
    scores and tasks, from 1. firsts: the share of scores by which it is the best.
    """

    name: str
    fresh: bool
    scores: Mapping[str, Mapping[str, float]]
    rank: float = 0.0
    firsts: float = 0.0


@dataclass(frozen=True)
class TaskAffinities:
    """How much an optimizer step for one task changes the loss of another.

    mean: [tasks, tasks], effect of row on column, relative to the effect of the column's own steps:
        1 is as much, below 0 is harm.
    error: standard error of `mean`, over parts of training. cosine: of the gradients.
    """

    tasks: tuple[str, ...]
    mean: Floats
    error: Floats
    cosine: Floats

    def sure(self, row: int, column: int) -> bool:
        """Whether the sign of an affinity is beyond its noise."""
        return bool(abs(self.mean[row, column]) > SURE * self.error[row, column])


@dataclass(frozen=True)
class Advice:
    """What to try.

    trunks: best first. affinity, grouping: None for one task. by_models: the best grouping with at
    most that many models.
    """

    trunks: tuple[TrunkScores, ...]
    affinity: TaskAffinities | None
    grouping: Grouping | None
    by_models: Mapping[int, Grouping]

    def groups(self) -> list[tuple[str, ...]]:
        """The advised groups, as names of tasks."""
        if self.affinity is None or self.grouping is None:
            return []
        names = self.affinity.tasks
        return [tuple(names[t] for t in group) for group in self.grouping.groups]


def score_trunk(
    name: str, fresh: bool, tasks: Sequence[Task], train: Represented, other: Represented
) -> TrunkScores:
    """All scores of a candidate on all tasks. other: held-out rows for the linear probe."""
    scores = {}
    for task in tasks:
        columns = [
            _scores(train.features, a, other.features, b)
            for a, b in zip(
                labels_of(task).probes(train.labels[task.name])[:CLASSES],
                labels_of(task).probes(other.labels[task.name])[:CLASSES],
                strict=True,
            )
        ]
        columns = [c for c in columns if c]
        scores[task.name] = {
            s: float(np.mean([c[s] for c in columns])) for s in (columns[0] if columns else ())
        }
    return TrunkScores(name, fresh, scores)


def _scores(
    features: Floats, labels: np.ndarray, other: Floats, other_labels: np.ndarray
) -> dict[str, float]:
    """The scores for one column of labels; empty if all labelled rows have the same class.

    labels: int64 class codes or float64 numbers, as `components.labels` gives them.
    """
    numeric = labels.dtype.kind == "f"
    known, known_other = labelled(labels), labelled(other_labels)
    x, y = features[known], labels[known]
    x_other, y_other = other[known_other], other_labels[known_other]
    scores: dict[str, Callable[[Floats, np.ndarray], float]] = {"LogME": transferability.log_me}
    if not numeric:
        scores |= {"NLEEP": transferability.n_leep, "H-score": transferability.h_score}
        classes, y = np.unique(y, return_inverse=True)
        seen = np.isin(y_other, classes)
        x_other, y_other = x_other[seen], np.searchsorted(classes, y_other[seen])
        if len(classes) < 2:
            return {}
    scores["k-NN"] = transferability.nearest_neighbours
    values = {name: score(x, y) for name, score in scores.items()}
    if len(y_other):
        values["linear probe"] = transferability.linear_probe(x, y, x_other, y_other)
    return values


def ranked(candidates: Sequence[TrunkScores]) -> tuple[TrunkScores, ...]:
    """The candidates ordered by mean rank over all scores and tasks."""
    ranks: dict[str, list[int]] = {c.name: [] for c in candidates}
    for task, scores in candidates[0].scores.items():
        for score in scores:
            order = sorted(candidates, key=lambda c: -c.scores[task][score])
            for rank, candidate in enumerate(order, 1):
                ranks[candidate.name].append(rank)
    with_ranks = [
        replace(
            c,
            rank=float(np.mean(ranks[c.name])),
            firsts=float(np.mean([rank == 1 for rank in ranks[c.name]])),
        )
        for c in candidates
    ]
    return tuple(sorted(with_ranks, key=lambda c: c.rank))


def affinity_of(tasks: Sequence[str], effects: Floats, cosines: Floats) -> TaskAffinities:
    """From effects and cosines [blocks, tasks, tasks], each the mean over a block of steps."""
    whole = np.nanmean(effects, axis=0)
    own = np.diagonal(whole)
    own = np.where(own > 0, own, np.inf)  # without an effect of its own steps: affinities of 0
    parts = effects / own
    blocks = np.maximum((~np.isnan(parts)).sum(axis=0), 1)
    error = np.nanstd(parts, axis=0, ddof=1 if len(parts) > 1 else 0) / np.sqrt(blocks)
    return TaskAffinities(
        tuple(tasks), np.nan_to_num(whole / own), error, np.nan_to_num(np.nanmean(cosines, axis=0))
    )


def advise(
    trunks: Sequence[TrunkScores], affinity: TaskAffinities | None, models: int | None
) -> Advice:
    """The advice. models: the most models that may be served."""
    if affinity is None:
        return Advice(ranked(trunks), None, None, {})
    certain = np.array(
        [
            [m if affinity.sure(i, j) else 0.0 for j, m in enumerate(row)]
            for i, row in enumerate(affinity.mean)
        ]
    )
    by_models = {k: best_grouping(certain, k) for k in range(1, len(affinity.tasks) + 1)}
    most = min(models or len(affinity.tasks), len(affinity.tasks))
    return Advice(ranked(trunks), affinity, by_models[most], by_models)
