"""Verdicts from paired differences: helps, equivalent, hurts or undecided, for every task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.data.arrow import Floats, np
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
    def error(self) -> float:
        """Standard error of the mean, over seeds and test rows (the two variances add up)."""
        return float(
            np.hypot(statistics.standard_error(self.by_seed, self.overlap), self.row_error)
        )


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
    errors = [d.error for d in comparison]
    means = [float(np.mean(d.by_seed)) for d in comparison]
    sizes = [len(d.by_seed) for d in comparison]
    flips = [statistics.sign_flip(d.by_seed) for d in comparison]
    tests = [statistics.t_test(*sample) for sample in zip(means, errors, sizes, strict=True)]
    different = statistics.holm([max(pair) for pair in zip(flips, tests, strict=True)])
    equal = statistics.holm(
        [
            statistics.equivalence(mean, error, size, d.margin)
            for d, mean, error, size in zip(comparison, means, errors, sizes, strict=True)
        ]
    )
    return tuple(
        Verdict(
            task=d.task,
            outcome=(outcome := _outcome(means[i], different[i], equal[i], alpha)),
            seeds=sizes[i],
            mean=means[i],
            margin=d.margin,
            interval=statistics.t_interval(d.by_seed, alpha, errors[i]),
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
    mean, deviation = float(np.mean(d.by_seed)), float(np.std(d.by_seed, ddof=1))
    room = max(abs(mean), d.margin - abs(mean))
    if d.row_error * 2 > room:
        return None
    counts = [
        statistics.seeds_to_tell_apart(mean, deviation, tests, alpha, d.overlap),
        statistics.seeds_to_equate(mean, deviation, d.margin, tests, alpha, d.overlap),
    ]
    needed = [max(n, len(d.by_seed) + 1) for n in counts if n is not None]
    return min(needed, default=None)
