"""What the evidence says: verdicts by claim, and the arm to run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.data.arrow import np
from pipeline.study import statistics
from pipeline.study.claims import Claim
from pipeline.study.evidence import Evidence
from pipeline.study.statistics import Interval
from pipeline.study.verdict import Verdict, judge

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Comparison:
    """A claim at a fraction. verdicts: of every task. gain: Delta m in percent and its interval
    over seeds; None where it is undefined.
    """

    claim: Claim
    fraction: float
    verdicts: tuple[Verdict, ...]
    gain: float | None
    gain_interval: Interval | None

    @property
    def worst(self) -> Verdict:
        """Of the task that the arm does least for, in margins."""
        return min(self.verdicts, key=lambda v: v.mean / v.margin)


@dataclass(frozen=True)
class Recommendation:
    """The arm to run.

    rival: the best of the other arms on validation rows. reason: why this one. confirmed: whether
        it is not inferior to its rival on test rows, which took no part in choosing it; p: of that,
        over all tasks.
    """

    arm: str
    rival: str
    reason: str
    confirmed: bool
    p: float


@dataclass(frozen=True)
class Findings:
    """All that a report tells. comparisons: by claim, then by fraction, the largest first."""

    evidence: Evidence
    comparisons: tuple[Comparison, ...]
    recommendation: Recommendation | None

    def of(self, claim: Claim, fraction: float) -> Comparison | None:
        """The comparison of a claim at a fraction, where there is one."""
        found = [c for c in self.comparisons if (c.claim, c.fraction) == (claim, fraction)]
        return found[0] if found else None


def findings(evidence: Evidence) -> Findings:
    """Judge all claims, and choose an arm."""
    compared = [
        comparison
        for claim in evidence.design.claims
        for fraction in reversed(evidence.fractions)
        if (comparison := compare(evidence, claim, fraction)) is not None
    ]
    return Findings(evidence, tuple(compared), recommend(evidence))


def compare(evidence: Evidence, claim: Claim, fraction: float) -> Comparison | None:
    """A claim at a fraction; None where there are fewer than two seeds to judge by."""
    differences = evidence.differences(claim.arm, claim.against, fraction)
    if not differences:
        return None
    alpha = evidence.design.settings.alpha
    gains = evidence.relative_gain(claim.arm, claim.against, fraction)
    defined = bool(np.isfinite(gains).all())
    return Comparison(
        claim,
        fraction,
        judge(differences, alpha),
        float(gains.mean()) if defined else None,
        _interval(gains, alpha, evidence.overlap) if defined else None,
    )


def _interval(values: NDArray[np.float64], alpha: float, overlap: float) -> Interval:
    return statistics.t_interval(values, alpha, statistics.standard_error(values, overlap))


def recommend(evidence: Evidence) -> Recommendation | None:
    """The cheapest arm that validation rows do not tell from the best: on every task it is worse by
    no more than the margin and one standard error (after the rule of Breiman et al. 1984,
    Classification and Regression Trees, section 3.4.3). Test rows confirm it or not. None where
    there are no validation rows or fewer than two seeds.

    The best has the highest mean over tasks of (figure - reference's) / margin. Cheap is, in this
    order: fewer models to serve, fewer parameters that train, less time to train.
    """
    fraction, reference = max(evidence.fractions), evidence.design.reference
    arms = [a for a in evidence.design.compared if len(evidence.seeds(fraction, a.name)) >= 2]
    gains = {a.name: evidence.differences(a.name, reference, fraction, "val") for a in arms}
    if len(gains.get(reference, ())) < len(evidence.design.metrics):
        return None
    order = sorted(gains, key=lambda n: -np.mean([d.by_seed.mean() / d.margin for d in gains[n]]))
    best = order[0]
    chosen = min(
        (a for a in arms if _near(evidence, a.name, best, fraction)),
        key=lambda a: (
            len(a.models),
            evidence.cost(a.name, fraction, "trainable_parameters"),
            evidence.cost(a.name, fraction, "seconds"),
        ),
    ).name
    if chosen == best:
        rival = next((n for n in order if n != best), best)
        reason = "it is best on validation rows, and no cheaper arm comes near it"
    else:
        rival = best
        reason = f"it is the cheapest of the arms near the best on validation rows, `{best}`"
    return Recommendation(chosen, rival, reason, *_confirmed(evidence, chosen, rival))


def _near(evidence: Evidence, arm: str, best: str, fraction: float) -> bool:
    return all(
        d.by_seed.mean() >= -(d.margin + d.error)
        for d in evidence.differences(arm, best, fraction, "val")
    )


def _confirmed(evidence: Evidence, arm: str, against: str) -> tuple[bool, float]:
    """Whether an arm is not inferior on test rows, on every task (an intersection of claims, so
    the largest p-value counts, without a correction: Berger 1982, Technometrics 24).
    """
    if arm == against:
        return True, 0.0
    p = max(
        statistics.not_inferior(
            float(d.by_seed.mean()),
            d.error,
            len(d.by_seed),
            d.margin,
        )
        for d in evidence.differences(arm, against, max(evidence.fractions))
    )
    return p <= evidence.design.settings.alpha, p
