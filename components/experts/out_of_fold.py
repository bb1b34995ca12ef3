"""Folds of training rows, so that no expert judges a row that it has seen."""

from __future__ import annotations

from collections.abc import Sequence

from components.data.lazy import np
from components.labels.base import Objective

FOLDS = 5


def assigned_folds(
    objectives: Sequence[Objective], groups: np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """int64 [rows]: the fold of each row, from 0. Rows of a group share a fold.

    Folds have about the same number of rows of every class: groups are dealt out one by one, in an
    order that the seed decides, to the fold that has the fewest rows like theirs.

    groups: int64 [rows].
    """
    kinds = _combinations(objectives, len(groups))
    rng = np.random.default_rng(seed)
    unique, group_of = np.unique(groups, return_inverse=True)
    if len(unique) == len(groups):  # every row for itself: deal each combination in turn
        order = rng.permutation(len(groups))
        order = order[np.argsort(kinds[order], kind="stable")]
        result = np.empty(len(groups), np.int64)
        result[order] = np.arange(len(groups)) % folds
        return result
    counts = np.zeros((len(unique), int(kinds.max()) + 1), np.int64)
    np.add.at(counts, (group_of, kinds), 1)
    rarity = 1.0 / counts.sum(axis=0)
    filled = np.zeros((folds, counts.shape[1]))
    fold_of_group = np.empty(len(unique), np.int64)
    order = rng.permutation(len(unique))
    for g in order[np.argsort(-counts[order].sum(axis=1), kind="stable")]:
        load = (filled * (counts[g] > 0) * rarity).sum(axis=1)
        best = int(np.lexsort((filled.sum(axis=1), load))[0])
        filled[best] += counts[g]
        fold_of_group[g] = best
    return fold_of_group[group_of]


def inner_folds(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """int64 [rows]: folds at random, by group, to choose a setting within the rows of a fold."""
    unique, group_of = np.unique(groups, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(unique))[group_of] % folds


def _combinations(objectives: Sequence[Objective], rows: int) -> np.ndarray:
    """int64 [rows]: a number for each combination of classes, of at most a few hundred."""
    combined = np.zeros(rows, np.int64)
    for objective in objectives:
        codes = objective.strata()
        merged = np.unique(combined * (codes.max() + 1) + codes, return_inverse=True)[1]
        if merged.max() >= max(rows // 20, 2) or merged.max() >= 256:
            break
        combined = merged
    return combined
