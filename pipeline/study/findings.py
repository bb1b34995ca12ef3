"""Conclusions from the evidence: verdicts for every question, and the recommended arm."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from components.data.lazy import np
from components.evaluation.intervals import Interval
from pipeline.study import statistics
from pipeline.study.arms import PlannedArm
from pipeline.study.claims import Claim
from pipeline.study.evidence import Evidence
from pipeline.study.verdict import Differences, Verdict, reach_verdicts


@dataclass(frozen=True)
class Comparison:
    """The answer to a question at one fraction of the training rows.

    verdicts: one for each task. gain: Δm in percent, gain_interval: over seeds; None if undefined.
    """

    claim: Claim
    fraction: float
    verdicts: tuple[Verdict, ...]
    gain: float | None
    gain_interval: Interval | None

    @property
    def worst(self) -> Verdict:
        """The verdict of the task with the lowest difference, in units of its margin."""
        return min(self.verdicts, key=lambda v: v.mean / v.margin)


@dataclass(frozen=True)
class Recommendation:
    """The recommended arm.

    rival: the best other arm on validation data. reason: a sentence.
    confirmed: whether test data, which took no part in the choice, show that on no task `arm` is
        worse than `rival` by more than the margin. p: of that test. task: the one with the largest
        p-value. margin: of that task.
    """

    arm: str
    rival: str
    reason: str
    confirmed: bool
    p: float
    task: str
    margin: float


@dataclass(frozen=True)
class Findings:
    """The content of a report. comparisons: by question, then by fraction, the largest first."""

    evidence: Evidence
    comparisons: tuple[Comparison, ...]
    recommendation: Recommendation | None


def draw_conclusions(evidence: Evidence) -> Findings:
    """Answer all questions, and recommend an arm."""
    questions = product(evidence.design.claims, reversed(evidence.fractions))
    compared = [compare(evidence, claim, fraction) for claim, fraction in questions]
    return Findings(evidence, tuple(filter(None, compared)), recommend(evidence))


def compare(evidence: Evidence, claim: Claim, fraction: float) -> Comparison | None:
    """Answer a question at a fraction; None if there are fewer than two seeds."""
    differences = evidence.differences(claim.arm, claim.against, fraction)
    if not differences:
        return None
    alpha = evidence.design.settings.alpha
    verdicts = reach_verdicts(differences, alpha)
    gains = evidence.relative_gain(claim.arm, claim.against, fraction)
    if not np.isfinite(gains).all():
        return Comparison(claim, fraction, verdicts, None, None)
    error = statistics.standard_error(gains, evidence.overlap)
    interval = statistics.t_interval(gains, alpha, error)
    return Comparison(claim, fraction, verdicts, float(gains.mean()), interval)


def recommend(evidence: Evidence) -> Recommendation | None:
    """The cheapest arm that is statistically indistinguishable from the best on validation data.

    Indistinguishable: on every task, worse by at most the margin and one standard error (after the
    rule of Breiman et al. 1984, Classification and Regression Trees, section 3.4.3). Best: highest
    mean over tasks of (metric - reference's metric) / margin. Cheapest: fewest models to serve,
    then fewest trainable parameters, then shortest training.

    None without validation rows or with fewer than two seeds.
    """
    fraction, reference = evidence.largest, evidence.design.reference
    arms = [a for a in evidence.design.compared if len(evidence.seeds(fraction, a.name)) >= 2]
    gains = {a.name: evidence.differences(a.name, reference, fraction, "val") for a in arms}
    if len(gains.get(reference, ())) < len(evidence.design.metrics):
        return None
    order = sorted(gains, key=lambda n: -np.mean([d.mean / d.margin for d in gains[n]]))
    best = next(a for a in arms if a.name == order[0])

    def costs(arm: PlannedArm) -> tuple[float, ...]:
        names = "trainable_parameters", "seconds"
        return len(arm.models), *(evidence.cost(arm.name, fraction, name) for name in names)

    good = (a for a in arms if _indistinguishable(evidence, a.name, best.name, fraction))
    chosen = min(good, key=costs)
    if chosen is best:
        rival = next((name for name in order if name != best.name), best.name)
        reason = "It is the best on validation data, and no cheaper arm matches it."
    else:
        rival, saving = best.name, _saving(evidence, chosen, best, fraction)
        reason = f"On validation data it matches `{best.name}` (the best) {saving}."
    return Recommendation(chosen.name, rival, reason, *_confirmed(evidence, chosen.name, rival))


def _indistinguishable(evidence: Evidence, arm: str, best: str, fraction: float) -> bool:
    differences = evidence.differences(arm, best, fraction, "val")
    return all(d.mean >= -(d.margin + d.error) for d in differences)


def _saving(evidence: Evidence, chosen: PlannedArm, best: PlannedArm, fraction: float) -> str:
    ours, theirs = (evidence.cost(a.name, fraction, "seconds") for a in (chosen, best))
    if ours < theirs:
        return f"at {100 * ours / theirs:.0f} % of the training time"
    if len(chosen.models) < len(best.models):
        models = "model" if len(chosen.models) == 1 else "models"
        return f"with {len(chosen.models)} {models} instead of {len(best.models)}"
    return "with fewer trainable parameters"


def _confirmed(evidence: Evidence, arm: str, rival: str) -> tuple[bool, float, str, float]:
    """Whether an arm is not inferior to its rival on test data, on every task.

    An intersection-union test: the largest p-value decides, without a correction (Berger 1982,
    Technometrics 24). Returns also that p-value, its task and the task's margin.
    """
    if arm == rival:
        return True, 0.0, "", 0.0

    def p_value(d: Differences) -> float:
        return statistics.not_inferior(d.mean, d.error, d.seeds, d.margin)

    weakest = max(evidence.differences(arm, rival, evidence.largest), key=p_value)
    p = p_value(weakest)
    return p <= evidence.design.settings.alpha, p, weakest.task, weakest.margin
