"""Folds of training rows, so that no expert judges a row that it has seen."""

from __future__ import annotations

from collections.abc import Sequence

from components.data.lazy import np
from components.labels.base import Objective

FOLDS = 5
RARE = 100
"""Classes with fewer training rows are dealt out evenly; with more, chance does that."""


def assigned_folds(
    objectives: Sequence[Objective], groups: np.ndarray, folds: int, seed: int
) -> np.ndarray:
    """int64 [rows]: the fold of each row, from 0. Rows of a group share a fold.

    Folds are drawn at random, whatever the labels. But with few rows of a class a fold might have
    none of them. Then groups are dealt out one by one, in random order, to the fold that has the
    fewest rows with labels like theirs. The fold that a row is in tells nothing of its label, since
    all have the same share of each class.

    groups: int64 [rows].
    """
    classes = [o.labels for o in objectives if o.loss in ("logistic", "softmax")]
    counts = [np.unique(c[~np.isnan(c)], return_counts=True)[1] for c in classes]
    if all(c.min() >= RARE for c in counts if len(c)):
        return inner_folds(groups, folds, seed)
    known = np.concatenate([_members(labels) for labels in classes], axis=1)
    unique, group_of = np.unique(groups, return_inverse=True)
    held = np.zeros((len(unique), known.shape[1]))
    np.add.at(held, group_of, known)
    held /= held.sum(axis=0)
    sizes = np.bincount(group_of) / len(groups)
    order = np.random.default_rng(seed).permutation(len(unique))
    filled, rows = np.zeros((folds, held.shape[1])), np.zeros(folds)
    fold_of = np.empty(len(unique), np.int64)
    for group in order[np.argsort(-held[order].max(axis=1), kind="stable")]:
        load = filled @ held[group]
        fold = int(np.lexsort((rows, load))[0])
        fold_of[group] = fold
        filled[fold] += held[group]
        rows[fold] += sizes[group]
    return fold_of[group_of]


def inner_folds(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """int64 [rows]: folds at random, by group, for a choice within the rows of a fold."""
    unique, group_of = np.unique(groups, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(unique))[group_of] % folds


def _members(labels: np.ndarray) -> np.ndarray:
    """Bool [rows, classes that occur]."""
    values = np.unique(labels[~np.isnan(labels)])
    return np.asarray(labels[:, None] == values[None])
