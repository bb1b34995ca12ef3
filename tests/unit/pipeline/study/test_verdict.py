"""Verdicts: right where the truth is planted, and rarely wrong where nothing differs."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.study.verdict import Differences, reach_verdicts


def comparison(
    means: list[float], deviation: float, seeds: int, rng: np.random.Generator, margin: float = 0.01
) -> list[Differences]:
    return [
        Differences(f"task_{i}", rng.normal(mean, deviation, seeds), margin)
        for i, mean in enumerate(means)
    ]


def test_planted_differences_are_found() -> None:
    given = comparison([0.05, -0.05, 0.0], 0.002, 8, np.random.default_rng(0))
    assert [v.outcome for v in reach_verdicts(given, 0.05)] == ["helps", "hurts", "equivalent"]


@pytest.mark.slow
def test_where_nothing_differs_at_most_five_studies_in_a_hundred_say_otherwise() -> None:
    rng, wrong, studies = np.random.default_rng(0), 0, 100
    for _ in range(studies):
        verdicts = reach_verdicts(comparison([0.0] * 3, 0.02, 7, rng), 0.05)
        wrong += any(v.outcome in ("helps", "hurts") for v in verdicts)
    assert wrong / studies <= 0.05


def test_what_differs_by_the_margin_is_rarely_called_equivalent() -> None:
    rng, wrong, studies = np.random.default_rng(1), 0, 100
    for _ in range(studies):
        verdicts = reach_verdicts(comparison([0.01, -0.01], 0.004, 7, rng), 0.05)
        wrong += any(v.outcome == "equivalent" for v in verdicts)
    assert wrong / studies <= 0.05


def test_fewer_than_six_seeds_never_decide_that_one_arm_is_better() -> None:
    (verdict,) = reach_verdicts([Differences("a", np.array([5.0, 5.1, 5.2, 5.3, 5.4]), 0.01)], 0.05)
    assert verdict.outcome == "undecided"
    assert verdict.p_difference == pytest.approx(2 / 2**5)
    assert verdict.more_seeds == 6


def test_a_difference_that_other_test_rows_might_not_show_is_undecided() -> None:
    by_seed = np.random.default_rng(0).normal(0.05, 0.002, 8)
    (sure,) = reach_verdicts([Differences("a", by_seed, 0.01)], 0.05)
    (unsure,) = reach_verdicts([Differences("a", by_seed, 0.01, row_error=0.04)], 0.05)
    assert (sure.outcome, unsure.outcome) == ("helps", "undecided")
    assert unsure.more_seeds is None
