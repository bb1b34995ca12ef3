"""Folds: by group, at random, and with every rare class in each."""

from __future__ import annotations

import numpy as np
import pytest

from components.experts.out_of_fold import assigned_folds, inner_folds
from components.labels.base import Objective

RNG = np.random.default_rng(0)


def objective(labels: np.ndarray) -> Objective:
    return Objective(task="t", loss="logistic", labels=labels.astype(np.float64))


def test_every_fold_has_its_share_of_a_rare_class() -> None:
    labels = np.arange(500) % 50 == 0
    folds = assigned_folds([objective(labels)], np.arange(500), 5, seed=1)
    assert [int(labels[folds == f].sum()) for f in range(5)] == [2] * 5
    assert [int((folds == f).sum()) for f in range(5)] == [100] * 5


def test_without_rare_classes_the_labels_do_not_matter() -> None:
    labels = RNG.random(600) < 0.4
    one = assigned_folds([objective(labels)], np.arange(600), 5, seed=1)
    labels[3] = ~labels[3]
    np.testing.assert_array_equal(one, assigned_folds([objective(labels)], np.arange(600), 5, 1))


@pytest.mark.parametrize("share", [0.02, 0.4])
def test_rows_of_a_group_share_a_fold(share: float) -> None:
    groups = RNG.integers(0, 40, 600)
    folds = assigned_folds([objective(RNG.random(600) < share)], groups, 5, seed=1)
    assert all(len(np.unique(folds[groups == g])) == 1 for g in range(40))
    assert min((folds == f).sum() for f in range(5)) > 60


def test_numbers_and_missing_labels_are_dealt_out() -> None:
    labels = (np.arange(300) % 30 == 0).astype(np.float64)
    labels[1::3] = np.nan
    numbers = Objective(task="n", loss="squared", labels=RNG.normal(size=300))
    folds = assigned_folds([numbers, objective(labels)], np.arange(300), 5, seed=1)
    assert [int((labels[folds == f] == 1).sum()) for f in range(5)] == [2] * 5
    assert [int((folds == f).sum()) for f in range(5)] == [60] * 5


@pytest.mark.parametrize("groups", [np.arange(90), np.arange(90) // 3])
def test_they_depend_on_the_seed(groups: np.ndarray) -> None:
    task = objective(np.arange(90) % 2)
    for assigned in (inner_folds, lambda *a: assigned_folds([task], *a)):
        one, again, other = (assigned(groups, 5, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, again)
        assert (one != other).any()
