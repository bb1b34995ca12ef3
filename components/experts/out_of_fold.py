"""Folds of training rows, so that no expert judges a row that it has seen."""

from __future__ import annotations

from components.data.lazy import np

FOLDS = 5


def inner_folds(groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """int64 [rows]: folds at random, by group, whatever the labels: which fold a row is in must not
    tell its label. For the outer folds, and for choices within the rows of a fold.
    """
    unique, group_of = np.unique(groups, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(unique))[group_of] % folds
