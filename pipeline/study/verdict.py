"""Verdicts from paired differences: helps, equivalent, hurts or undecided, for every task."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from components.data.lazy import Floats, np
from components.errors import RootstockError
from components.evaluation.intervals import Interval
from pipeline.study import statistics

Outcome = Literal["helps", "equivalent", "hurts", "undecided"]


@dataclass(frozen=True)
class Differences:
    """The differences of one task, arm - reference, with the sign such that positive is better.

    by_seed: float64 [seeds]. margin: smaller differences do not matter. row_error: the part of the
    mean's standard error that comes from the choice of test rows (all seeds have the same ones).
    groups: of those rows, such as patients; None if every seed has its own rows.
    overlap: see `statistics.standard_error`. flaw: why the differences allow no verdict; empty if
    they do.

    Raises:
        RootstockError: a difference, the margin or the error is not a finite number.
    """

    task: str
    by_seed: Floats
    margin: float
    row_error: float = 0.0
    overlap: float = 0.0
    flaw: str = ""
    groups: int | None = None

    def __post_init__(self) -> None:
        wrong = [i + 1 for i, d in enumerate(self.by_seed) if not math.isfinite(d)]
        parts = [f"the difference in seed {', '.join(map(str, wrong))}"] if wrong else []
        named = {"margin": self.margin, "error from test rows": self.row_error}
        parts += [f"the {name}" for name, value in named.items() if not math.isfinite(value)]
        if parts or len(self.by_seed) < 2:
            problem = f"{' and '.join(parts)} is not a number" if parts else "there is one seed"
            raise RootstockError(
                f"A comparison on task {self.task!r} is impossible: {problem}. Expected finite"
                " numbers from two seeds or more."
            )

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

    @property
    def freedom(self) -> int:
        """Degrees of freedom of the error: of its less certain part, seeds or groups."""
        return max(1, min(self.seeds, self.groups or self.seeds) - 1)

    def p_difference(self) -> float:
        """Of the hypothesis that there is none: both tests have to reject it."""
        t_test = statistics.t_test(self.mean, self.error, self.freedom)
        return max(statistics.seeds_test(self.by_seed), t_test)

    def p_equivalence(self) -> float:
        return statistics.equivalence(self.by_seed, self.error, self.margin, self.freedom)

    def p_not_inferior(self) -> float:
        """Of the hypothesis that the arm is worse by more than the margin."""
        return statistics.not_inferior(self.by_seed, self.error, self.margin, self.freedom)


@dataclass(frozen=True)
class Decision:
    """The outcome for one task, and its p-values, corrected for the number of tasks."""

    outcome: Outcome
    p_difference: float
    p_equivalence: float


@dataclass(frozen=True)
class Verdict:
    """The verdict on one task.

    mean: of the differences. interval: Student's t interval of the mean, for other seeds and other
        test rows. bca: bootstrap interval of the mean, for other seeds only.
    p_difference: of the hypothesis that there is no difference. p_equivalence: of the hypothesis
        that the difference exceeds the margin. See `Differences`; corrected for the number of tasks
        (Bonferroni).
    agreeing: seeds that are on the side of the verdict. unseen: the largest share of all seeds that
        may be on the other side all the same, such as collapsed ones; 0 if undecided.
    far: differences of seeds that are far from the others. flaw: see `Differences`.
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
    p_difference: float
    p_equivalence: float
    agreeing: int
    unseen: float
    far: tuple[float, ...] = ()
    flaw: str = ""
    more_seeds: int | None = None


def decide(comparison: Sequence[Differences], alpha: float) -> tuple[Decision, ...]:
    """Decisions on all tasks of one comparison.

    `equivalent` if the tests against both ends of the margin are significant; else `helps` or
    `hurts` if the difference is; else `undecided`. The probability of any wrong decision is at most
    `alpha`, for the median over seeds always, for the mean as `statistics.SHARE` says.
    """
    different = statistics.bonferroni([d.p_difference() for d in comparison])
    equal = statistics.bonferroni([d.p_equivalence() for d in comparison])
    return tuple(
        Decision("undecided" if d.flaw else _outcome(d.mean, p, q, alpha), p, q)
        for d, p, q in zip(comparison, different, equal, strict=True)
    )


def reach_verdicts(comparison: Sequence[Differences], alpha: float) -> tuple[Verdict, ...]:
    """Verdicts on all tasks of one comparison; see `decide`."""
    verdicts = []
    for d, decision in zip(comparison, decide(comparison, alpha), strict=True):
        decided = decision.outcome != "undecided"
        agreeing = _agreeing(d, decision.outcome)
        verdicts.append(
            Verdict(
                task=d.task,
                outcome=decision.outcome,
                seeds=d.seeds,
                mean=d.mean,
                margin=d.margin,
                interval=statistics.t_interval(d.by_seed, alpha, d.error, d.freedom),
                bca=statistics.bca(d.by_seed, alpha),
                p_difference=decision.p_difference,
                p_equivalence=decision.p_equivalence,
                agreeing=agreeing,
                unseen=statistics.unseen(d.seeds - agreeing, d.seeds, alpha) if decided else 0.0,
                far=tuple(statistics.far_from_others(d.by_seed, d.margin).tolist()),
                flaw=d.flaw,
                more_seeds=None if decided or d.flaw else _more(d, len(comparison), alpha),
            )
        )
    return tuple(verdicts)


def _outcome(mean: float, different: float, equal: float, alpha: float) -> Outcome:
    if equal <= alpha:
        return "equivalent"
    if different <= alpha:
        return "helps" if mean > 0 else "hurts"
    return "undecided"


def _agreeing(d: Differences, outcome: Outcome) -> int:
    """Seeds within the margin for `equivalent`, else seeds with the sign of the mean."""
    if outcome == "equivalent":
        return int(np.sum(np.abs(d.by_seed) < d.margin))
    return int(np.sum(d.by_seed * np.sign(d.mean) > 0))


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
