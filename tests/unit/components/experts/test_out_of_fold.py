"""Folds: by group, at random."""

from __future__ import annotations

import numpy as np
import pytest

from components.experts.out_of_fold import inner_folds


def test_rows_of_a_group_share_a_fold() -> None:
    groups = np.random.default_rng(0).integers(0, 40, 600)
    folds = inner_folds(groups, 5, seed=1)
    assert all(len(np.unique(folds[groups == g])) == 1 for g in range(40))
    assert sorted(np.bincount(folds) > 60) == [True] * 5


@pytest.mark.parametrize("groups", [np.arange(90), np.arange(90) // 3])
def test_they_have_equally_many_groups_and_depend_on_the_seed(groups: np.ndarray) -> None:
    one, again, other = (inner_folds(groups, 5, seed=s) for s in (1, 1, 2))
    assert np.bincount(one).tolist() == [18] * 5
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
