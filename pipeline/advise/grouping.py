"""Which tasks should share a model, given their affinities."""

from __future__ import annotations

from dataclasses import dataclass

from components.data.lazy import Floats, np

MODEL = 1e-9
"""The gain that an additional model must bring: of equal groupings, fewer models win."""


@dataclass(frozen=True)
class Grouping:
    """A partition of tasks.

    groups: of task indices, each ascending. score: the sum over tasks of the mean affinity of the
    other tasks in the group to it; 0 for a task alone.
    """

    groups: tuple[tuple[int, ...], ...]
    score: float


def best_grouping(affinity: Floats, models: int | None = None) -> Grouping:
    """The partition of tasks into at most `models` groups with the highest score.

    Exact, by branch and bound. The objective is that of Fifty et al. 2021, NeurIPS, section 3.2,
    over partitions.

    affinity: [tasks, tasks], how much row helps column; the diagonal is ignored. models: None
    allows any number.

    Raises:
        ValueError: fewer than one model.
    """
    tasks = len(affinity)
    most = tasks if models is None else models
    if most < 1:
        raise ValueError(f"Expected at least one model. Received: {models}")
    others = np.array(affinity, np.float64)
    np.fill_diagonal(others, -np.inf)
    highest = others.max(axis=0, initial=0.0)
    np.fill_diagonal(others, 0.0)
    best: list[Grouping] = []

    def extend(task: int, groups: list[list[int]]) -> None:
        bound = sum(highest[task:]) + sum(_upper_bound(others, g, task) for g in groups)
        if best and bound - MODEL * len(groups) <= _worth(best[0]):
            return
        if task == tasks:
            score = float(sum(score_of(others, g) for g in groups))
            grouping = Grouping(tuple(map(tuple, groups)), score)
            if not best or _worth(grouping) > _worth(best[0]):
                best[:] = [grouping]
            return
        for group in groups:
            group.append(task)
            extend(task + 1, groups)
            group.pop()
        if len(groups) < most:
            extend(task + 1, [*groups, [task]])

    extend(0, [])
    return best[0]


def score_of(affinity: Floats, group: list[int]) -> float:
    """What one group contributes to a score."""
    if len(group) == 1:
        return 0.0
    inside = affinity[np.ix_(group, group)]
    return float((inside.sum() - np.trace(inside)) / (len(group) - 1))


def _upper_bound(affinity: Floats, group: list[int], task: int) -> float:
    """An upper bound of a group's score when tasks from `task` on may still join.

    For each member, the best mean over its present partners and any of the tasks to come.
    """
    total = 0.0
    for member in group:
        gains = [affinity[g, member] for g in group if g != member]
        mean, count = (sum(gains) / len(gains), len(gains)) if gains else (0.0, 0)
        for gain in sorted(affinity[task:, member], reverse=True):
            if gain <= mean:
                break
            mean, count = (mean * count + gain) / (count + 1), count + 1
        total += mean
    return total


def _worth(grouping: Grouping) -> float:
    return grouping.score - MODEL * len(grouping.groups)
