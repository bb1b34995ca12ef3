"""Verdicts: right where the truth is planted, and rarely wrong where nothing differs."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmarks.verdict_errors import FAMILIES, TRUTHS, errors
from components.errors import RootstockError
from pipeline.study.verdict import Differences, reach_verdicts


def comparison(
    means: list[float], deviation: float, seeds: int, rng: np.random.Generator, margin: float = 0.01
) -> list[Differences]:
    return [
        Differences(f"task_{i}", rng.normal(mean, deviation, seeds), margin)
        for i, mean in enumerate(means)
    ]


def test_planted_differences_are_found() -> None:
    given = comparison([0.05, -0.05, 0.0], 0.002, 9, np.random.default_rng(0))
    assert [v.outcome for v in reach_verdicts(given, 0.05)] == ["helps", "hurts", "equivalent"]


@pytest.mark.slow
def test_where_nothing_differs_at_most_five_studies_in_a_hundred_say_otherwise() -> None:
    rng, wrong, studies = np.random.default_rng(0), 0, 100
    for _ in range(studies):
        verdicts = reach_verdicts(comparison([0.0] * 3, 0.02, 9, rng), 0.05)
        wrong += any(v.outcome in ("helps", "hurts") for v in verdicts)
    assert wrong / studies <= 0.05


@pytest.mark.slow
def test_what_differs_by_the_margin_is_rarely_called_equivalent() -> None:
    rng, wrong, studies = np.random.default_rng(1), 0, 100
    for _ in range(studies):
        verdicts = reach_verdicts(comparison([0.01, -0.01], 0.004, 8, rng), 0.05)
        wrong += any(v.outcome == "equivalent" for v in verdicts)
    assert wrong / studies <= 0.05


@pytest.mark.parametrize("by_seed", [[5.0, 5.1, 5.2, 5.3, 5.4, 5.5], [0.0] * 6], ids=str)
def test_fewer_than_seven_seeds_never_decide(by_seed: list[float]) -> None:
    (verdict,) = reach_verdicts([Differences("a", np.array(by_seed), 0.01)], 0.05)
    assert verdict.outcome == "undecided"
    assert verdict.more_seeds == 7
    (decided,) = reach_verdicts([Differences("a", np.array([*by_seed, by_seed[-1]]), 0.01)], 0.05)
    assert decided.outcome == ("helps" if any(by_seed) else "equivalent")


def test_one_seed_that_collapses_takes_the_verdict_away_and_is_named() -> None:
    by_seed = np.array([0.02, 0.021, 0.019, 0.022, 0.018, 0.02, 0.02])
    (sure,) = reach_verdicts([Differences("a", by_seed, 0.01)], 0.05)
    assert (sure.outcome, sure.agreeing, sure.far) == ("helps", 7, ())
    assert sure.unseen == pytest.approx(1 - 0.05 ** (1 / 7))
    (unsure,) = reach_verdicts([Differences("a", np.append(by_seed[1:], -0.3), 0.01)], 0.05)
    assert (unsure.outcome, unsure.far) == ("undecided", (-0.3,))


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("field", ["by_seed", "margin", "row_error"])
def test_what_is_not_a_number_is_an_error_and_no_verdict(wrong: float, field: str) -> None:
    """Python's max(p, nan) is p: a row error of NaN once gave `helps`."""
    by_seed = np.full(8, 0.05)
    numbers = {"by_seed": by_seed, "margin": 0.01, "row_error": 0.0}
    changed = numbers | {field: np.append(by_seed, wrong) if field == "by_seed" else wrong}
    with pytest.raises(RootstockError, match=r"task 'a' is impossible: .* is not a number"):
        Differences("a", **changed)  # type: ignore[arg-type]


def test_differences_with_a_flaw_are_undecided_for_that_reason() -> None:
    by_seed = np.random.default_rng(0).normal(0.05, 0.002, 8)
    (verdict,) = reach_verdicts([Differences("a", by_seed, 0.01, flaw="no auc in seed 3")], 0.05)
    assert (verdict.outcome, verdict.flaw) == ("undecided", "no auc in seed 3")
    assert verdict.more_seeds is None


IN_FAMILY = [f for f in FAMILIES if f not in ("collapse one in ten", "lognormal")]
STUDIES = 400
BOUND = 0.05 + 3 * (0.05 * 0.95 / STUDIES) ** 0.5
"""Alpha and three standard deviations of a share among so many studies."""


@pytest.mark.slow
@pytest.mark.parametrize("family", IN_FAMILY)
def test_verdicts_on_means_are_as_rarely_wrong_as_promised(family: str) -> None:
    """Skewed ones too; docs/study.md has the figures of more studies."""
    for truth, tasks in product(TRUTHS, (1, 3)):
        found = errors(family, "mean", truth, tasks, STUDIES)
        assert float(str(found["wrong"])) <= BOUND, found


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_verdicts_on_medians_are_as_rarely_wrong_as_promised(family: str) -> None:
    """Whatever the distribution: collapses and extreme skew too."""
    for truth in TRUTHS:
        found = errors(family, "median", truth, 3, STUDIES)
        assert float(str(found["wrong"])) <= BOUND, found


def test_a_verdict_never_denies_that_an_arm_may_collapse_in_one_seed_of_ten() -> None:
    """The mean of such an arm cannot be known from so few seeds, so each verdict says what share
    of seeds it has not seen.
    """
    draw, _ = FAMILIES["collapse one in ten"]
    rng, seen = np.random.default_rng(0), []
    for _ in range(60):
        (verdict,) = reach_verdicts([Differences("a", draw(rng, 7), 1.0)], 0.05)
        seen += [verdict.unseen] * (verdict.outcome != "undecided")
    assert seen
    assert min(seen) > 0.1


def test_a_difference_that_other_test_rows_might_not_show_is_undecided() -> None:
    by_seed = np.random.default_rng(0).normal(0.05, 0.002, 8)
    (sure,) = reach_verdicts([Differences("a", by_seed, 0.01)], 0.05)
    (unsure,) = reach_verdicts([Differences("a", by_seed, 0.01, row_error=0.04)], 0.05)
    assert (sure.outcome, unsure.outcome) == ("helps", "undecided")
    assert unsure.more_seeds is None
