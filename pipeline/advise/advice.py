"""Advice from representations, labels and task affinities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from components.data.lazy import Floats, np
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

    def rows(self, rows: np.ndarray | slice) -> Represented:
        return Represented(self.features[rows], {t: y[rows] for t, y in self.labels.items()})


@dataclass(frozen=True)
class TrunkScores:
    """The scores of a candidate trunk.

    arm: the arm of the study that has it. fresh: whether its weights are random. scores: by task,
    then by score. rank: mean rank over all scores and tasks, from 1. firsts: the share of scores
    by which it is the best.
    """

    arm: str
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

    @property
    def sure(self) -> np.ndarray:
        """Bool [tasks, tasks]: whether the sign of an affinity is beyond its noise."""
        return np.asarray(abs(self.mean) > SURE * self.error)


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
        if self.affinity is None or self.grouping is None:
            return []
        names = self.affinity.tasks
        return [tuple(names[t] for t in group) for group in self.grouping.groups]


def score_trunk(
    arm: str, fresh: bool, tasks: Sequence[Task], train: Represented, other: Represented
) -> TrunkScores:
    """All scores of a candidate on all tasks. other: held-out rows for the linear probe."""
    scores = {}
    for task in tasks:
        probes = (labels_of(task).probes(rows.labels[task.name]) for rows in (train, other))
        columns = [
            scores_of_column
            for y, y_other in zip(*(columns[:CLASSES] for columns in probes), strict=True)
            if (scores_of_column := _scores(train.features, y, other.features, y_other))
        ]
        names = columns[0] if columns else ()
        scores[task.name] = {s: float(np.mean([c[s] for c in columns])) for s in names}
    return TrunkScores(arm, fresh, scores)


def _scores(
    features: Floats, labels: np.ndarray, other: Floats, other_labels: np.ndarray
) -> dict[str, float]:
    """The scores for one column of labels; empty if all labelled rows have the same class.

    labels: int64 class codes or float64 numbers, as `components.labels` gives them.
    """
    known, known_other = labelled(labels), labelled(other_labels)
    x, y = features[known], labels[known]
    x_other, y_other = other[known_other], other_labels[known_other]
    scores: dict[str, Callable[[Floats, np.ndarray], float]] = {"LogME": transferability.log_me}
    if labels.dtype.kind != "f":
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
    keys = [(task, score) for task, scores in candidates[0].scores.items() for score in scores]
    table = np.array([[c.scores[task][score] for task, score in keys] for c in candidates])
    order = np.argsort(-table, axis=0, kind="stable")
    with_ranks = []
    for c, ranks in zip(candidates, np.argsort(order, axis=0) + 1, strict=True):
        rank, firsts = float(ranks.mean()), float((ranks == 1).mean())
        with_ranks.append(replace(c, rank=rank, firsts=firsts))
    return tuple(sorted(with_ranks, key=lambda c: c.rank))


def affinity_of(tasks: Sequence[str], effects: Floats, cosines: Floats) -> TaskAffinities:
    """From effects and cosines [blocks, tasks, tasks], each the mean over a block of steps."""
    whole = np.nanmean(effects, axis=0)
    own = np.diagonal(whole)
    own = np.where(own > 0, own, np.inf)  # without an effect of its own steps: affinities of 0
    parts = effects / own
    blocks = np.maximum((~np.isnan(parts)).sum(axis=0), 1)
    error = np.nanstd(parts, axis=0, ddof=1 if len(parts) > 1 else 0) / np.sqrt(blocks)
    mean, cosine = np.nan_to_num(whole / own), np.nan_to_num(np.nanmean(cosines, axis=0))
    return TaskAffinities(tuple(tasks), mean, error, cosine)


def advise(
    trunks: Sequence[TrunkScores], affinity: TaskAffinities | None, models: int | None
) -> Advice:
    """The advice. models: the most models that may be served."""
    if affinity is None:
        return Advice(ranked(trunks), None, None, {})
    certain = np.where(affinity.sure, affinity.mean, 0.0)
    by_models = {k: best_grouping(certain, k) for k in range(1, len(affinity.tasks) + 1)}
    most = min(models or len(affinity.tasks), len(affinity.tasks))
    return Advice(ranked(trunks), affinity, by_models[most], by_models)
