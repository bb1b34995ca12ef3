"""From paired differences to a verdict on every task: helps, equivalent, hurts or undecided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.data.arrow import np
from pipeline.study import statistics
from pipeline.study.statistics import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

Outcome = Literal["helps", "equivalent", "hurts", "undecided"]


@dataclass(frozen=True)
class Differences:
    """Of one task, arm less reference, so oriented that positive is better.

    by_seed: float64 [seeds]. row_error: standard error of their mean that is due to the choice of
        test rows, the same for all seeds. margin: below which a difference does not matter.
    overlap: see `statistics.standard_error`.
    """

    task: str
    by_seed: NDArray[np.float64]
    margin: float
    row_error: float = 0.0
    overlap: float = 0.0

    @property
    def error(self) -> float:
        """Standard error of the mean, over seeds and rows, whose effects add up."""
        return float(
            np.hypot(statistics.standard_error(self.by_seed, self.overlap), self.row_error)
        )


@dataclass(frozen=True)
class Verdict:
    """What the differences of one task say.

    mean: of the differences. interval: of the mean, for other seeds and other test rows (Student).
    bca: of the mean, for other seeds alone (bootstrap).
    p_difference: of no difference, over the tasks together (Holm): the larger of the sign-flip
        test's over seeds and the t-test's over seeds and rows. p_equivalence: of a difference
        beyond the margin, over the tasks together.
    more_seeds: in all, with which differences like these would be decided in four of five studies;
        None where a thousand would not do, or it is decided.
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


def judge(comparison: Sequence[Differences], alpha: float) -> tuple[Verdict, ...]:
    """Verdicts on all tasks of one comparison, wrong with a probability of `alpha` at most.

    `equivalent` where both one-sided tests against the margin are significant; else `helps` or
    `hurts` where the difference is significant over seeds and over test rows; else `undecided`.
    """
    errors = [d.error for d in comparison]
    means = [float(np.mean(d.by_seed)) for d in comparison]
    sizes = [len(d.by_seed) for d in comparison]
    flips = [statistics.sign_flip(d.by_seed) for d in comparison]
    tests = [statistics.t_test(*given) for given in zip(means, errors, sizes, strict=True)]
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
    """The seeds that the cheaper of the two decisions would take; the rows' share of the error
    stays, so None where that alone is too large.
    """
    mean, deviation = float(np.mean(d.by_seed)), float(np.std(d.by_seed, ddof=1))
    room = max(abs(mean), d.margin - abs(mean))
    if d.row_error * 2 > room:
        return None
    found = [
        statistics.seeds_to_tell_apart(mean, deviation, tests, alpha, d.overlap),
        statistics.seeds_to_equate(mean, deviation, d.margin, tests, alpha, d.overlap),
    ]
    needed = [max(n, len(d.by_seed) + 1) for n in found if n is not None]
    return min(needed, default=None)
