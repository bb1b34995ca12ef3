"""Verdicts from paired differences: helps, equivalent, hurts or undecided, for every task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.data.lazy import Floats, np
from components.evaluation.intervals import Interval
from pipeline.study import statistics

Outcome = Literal["helps", "equivalent", "hurts", "undecided"]


@dataclass(frozen=True)
class Differences:
    """The differences of one task, arm - reference, with the sign such that positive is better.

    by_seed: float64 [seeds]. margin: smaller differences do not matter. row_error: the part of the
    mean's standard error that comes from the choice of test rows (all seeds have the same ones).
    overlap: see `statistics.standard_error`.
    """

    task: str
    by_seed: Floats
    margin: float
    row_error: float = 0.0
    overlap: float = 0.0

    @property
    def seeds(self) -> int:
        return len(self.by_seed)

    @property
    def mean(self) -> float:
        return float(np.mean(self.by_seed))

    @property
    def error(self) -> float:
        """Standard error of the mean, over seeds and test rows (the two variances add up)."""
        over_seeds = statistics.standard_error(self.by_seed, self.overlap)
        return float(np.hypot(over_seeds, self.row_error))


@dataclass(frozen=True)
class Verdict:
    """The verdict on one task.

    mean: of the differences. interval: Student's t interval of the mean, for other seeds and other
        test rows. bca: bootstrap interval of the mean, for other seeds only.
    p_difference: of the hypothesis that there is no difference: the larger p-value of the sign-flip
        test over seeds and the t-test over seeds and rows. p_equivalence: of the hypothesis that
        the difference exceeds the margin. Both are corrected for the number of tasks (Holm).
    more_seeds: total number of seeds with which such differences would be decided in four of five
        studies; None if 1,000 are not enough, or if the verdict is not `undecided`.
    """

    task: str
    outcome: Outcome
    seeds: int
    mean: float
    margin: float
    interval: Interval
    bca: Interval
    p_sign_flip: float
    p_difference: float
    p_equivalence: float
    more_seeds: int | None = None


def reach_verdicts(comparison: Sequence[Differences], alpha: float) -> tuple[Verdict, ...]:
    """Verdicts on all tasks of one comparison; the probability of any error is at most `alpha`.

    `equivalent` if both one-sided tests against the margin are significant; else `helps` or `hurts`
    if the difference is significant over seeds and over test rows; else `undecided`.
    """
    flips = [statistics.sign_flip(d.by_seed) for d in comparison]
    t_tests = [statistics.t_test(d.mean, d.error, d.seeds) for d in comparison]
    margins = [statistics.equivalence(d.mean, d.error, d.seeds, d.margin) for d in comparison]
    different, equal = statistics.holm([*map(max, flips, t_tests)]), statistics.holm(margins)
    return tuple(
        Verdict(
            task=d.task,
            outcome=(outcome := _outcome(d.mean, different[i], equal[i], alpha)),
            seeds=d.seeds,
            mean=d.mean,
            margin=d.margin,
            interval=statistics.t_interval(d.by_seed, alpha, d.error),
            bca=statistics.bca(d.by_seed, alpha),
            p_sign_flip=flips[i],
            p_difference=different[i],
            p_equivalence=equal[i],
            more_seeds=_more(d, len(comparison), alpha) if outcome == "undecided" else None,
        )
        for i, d in enumerate(comparison)
    )


def _outcome(mean: float, different: float, equal: float, alpha: float) -> Outcome:
    if equal <= alpha:
        return "equivalent"
    if different <= alpha:
        return "helps" if mean > 0 else "hurts"
    return "undecided"


def _more(d: Differences, tests: int, alpha: float) -> int | None:
    """The fewest seeds that would decide: difference or equivalence, whichever needs fewer.

    More seeds do not reduce `row_error`: None if that alone is too large.
    """
    mean, deviation = d.mean, float(np.std(d.by_seed, ddof=1))
    if d.row_error * 2 > max(abs(mean), d.margin - abs(mean)):
        return None
    apart = statistics.seeds_to_tell_apart(mean, deviation, tests, alpha, d.overlap)
    equal = statistics.seeds_to_equate(mean, deviation, d.margin, tests, alpha, d.overlap)
    needed = [max(n, d.seeds + 1) for n in (apart, equal) if n is not None]
    return min(needed, default=None)
