"""From representations, labels and affinities to advice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from components.data.arrow import np
from components.labels.base import labels_of
from components.labels.encoding import labelled
from models.tasks.base import Task
from pipeline.advise import transferability
from pipeline.advise.grouping import Grouping, best_grouping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROWS = 2000
"""At most so many training rows, and half as many others for the probe."""
CLASSES = 10
"""Of a multilabel task at most so many are looked at."""
SURE = 2.0
"""Standard errors from zero."""


@dataclass(frozen=True)
class Represented:
    """What a trunk makes of rows [rows, width], and their encoded labels by task."""

    features: Floats
    labels: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class TrunkScores:
    """A candidate. scores: by task, then by score. rank: mean place over all of them, from 1.

    firsts: share of the scores, over all tasks, by which it is the best.
    """

    name: str
    fresh: bool
    scores: Mapping[str, Mapping[str, float]]
    rank: float = 0.0
    firsts: float = 0.0


@dataclass(frozen=True)
class Affinity:
    """What each task's steps do for each other's loss, in units of what its own steps do.

    mean: [tasks, tasks], of row on column: 1 is as much as the task's own step, below 0 is harm.
    error: standard error, over parts of training. cosine: of the gradients.
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
    """trunks: best first. affinity, grouping: None for one task. by_models: the best grouping for
    each number of models at most.
    """

    trunks: tuple[TrunkScores, ...]
    affinity: Affinity | None
    grouping: Grouping | None
    by_models: Mapping[int, Grouping]

    def groups(self) -> list[tuple[str, ...]]:
        """The advised groups, by task name."""
        if self.affinity is None or self.grouping is None:
            return []
        names = self.affinity.tasks
        return [tuple(names[t] for t in group) for group in self.grouping.groups]


def score_trunk(
    name: str, fresh: bool, tasks: Sequence[Task], train: Represented, other: Represented
) -> TrunkScores:
    """All scores of a candidate on all tasks. other: rows for the linear probe."""
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
    """Of one column of labels; empty if all its labelled rows are of one class.

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
    found = {name: score(x, y) for name, score in scores.items()}
    if len(y_other):
        found["linear probe"] = transferability.linear_probe(x, y, x_other, y_other)
    return found


def ranked(candidates: Sequence[TrunkScores]) -> tuple[TrunkScores, ...]:
    """By mean place over all scores and tasks."""
    places: dict[str, list[int]] = {c.name: [] for c in candidates}
    for task, scores in candidates[0].scores.items():
        for score in scores:
            order = sorted(candidates, key=lambda c: -c.scores[task][score])
            for place, candidate in enumerate(order, 1):
                places[candidate.name].append(place)
    found = [
        replace(
            c,
            rank=float(np.mean(places[c.name])),
            firsts=float(np.mean([place == 1 for place in places[c.name]])),
        )
        for c in candidates
    ]
    return tuple(sorted(found, key=lambda c: c.rank))


def affinity_of(tasks: Sequence[str], effects: Floats, cosines: Floats) -> Affinity:
    """From means [blocks, tasks, tasks] over parts of training."""
    whole = np.nanmean(effects, axis=0)
    own = np.diagonal(whole)
    own = np.where(own > 0, own, np.inf)  # a task whose own steps do nothing has no affinities
    parts = effects / own
    blocks = np.maximum((~np.isnan(parts)).sum(axis=0), 1)
    error = np.nanstd(parts, axis=0, ddof=1 if len(parts) > 1 else 0) / np.sqrt(blocks)
    return Affinity(
        tuple(tasks), np.nan_to_num(whole / own), error, np.nan_to_num(np.nanmean(cosines, axis=0))
    )


def advise(trunks: Sequence[TrunkScores], affinity: Affinity | None, models: int | None) -> Advice:
    """models: at most so many may be served."""
    if affinity is None:
        return Advice(ranked(trunks), None, None, {})
    doubtless = np.array(
        [
            [m if affinity.sure(i, j) else 0.0 for j, m in enumerate(row)]
            for i, row in enumerate(affinity.mean)
        ]
    )
    by_models = {k: best_grouping(doubtless, k) for k in range(1, len(affinity.tasks) + 1)}
    wanted = min(models or len(affinity.tasks), len(affinity.tasks))
    return Advice(ranked(trunks), affinity, by_models[wanted], by_models)
