"""The best grouping, compared with all groupings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.advise.grouping import best_grouping, score_of


def partitions(items: list[int]) -> Iterator[list[list[int]]]:
    if not items:
        yield []
        return
    first, *rest = items
    for parts in partitions(rest):
        yield [[first], *parts]
        for i, part in enumerate(parts):
            yield [*parts[:i], [first, *part], *parts[i + 1 :]]


@pytest.mark.parametrize("models", [None, 1, 2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_no_grouping_is_better(seed: int, models: int | None) -> None:
    affinity = np.random.default_rng(seed).normal(0, 1, (6, 6))
    allowed = [p for p in partitions(list(range(6))) if models is None or len(p) <= models]
    best = max(sum(score_of(affinity, g) for g in p) for p in allowed)
    found = best_grouping(affinity, models)
    assert found.score == pytest.approx(best)
    assert sorted(t for g in found.groups for t in g) == list(range(6))
    assert models is None or len(found.groups) <= models


def test_tasks_that_help_each_other_share_and_one_that_harms_is_alone() -> None:
    affinity = np.array([[1.0, 0.5, -0.4], [0.6, 1.0, -0.5], [-0.3, -0.2, 1.0]])
    assert best_grouping(affinity).groups == ((0, 1), (2,))


def test_of_equal_groupings_the_one_with_fewer_models_is_chosen() -> None:
    assert best_grouping(np.zeros((3, 3))).groups == ((0, 1, 2),)


def test_a_dozen_tasks_in_known_groups_are_found() -> None:
    members = np.repeat(np.arange(4), 3)
    alike = members[:, None] == members
    affinity = np.where(alike, 0.5, -0.2) + np.random.default_rng(0).normal(0, 0.05, (12, 12))
    found = best_grouping(affinity, models=5)
    assert found.groups == ((0, 1, 2), (3, 4, 5), (6, 7, 8), (9, 10, 11))


def test_no_model_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one model"):
        best_grouping(np.zeros((2, 2)), models=0)
