"""Conclusions from the evidence: verdicts for every question, and the recommended arm."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from components.data.lazy import np
from components.evaluation.intervals import Interval
from pipeline.study import statistics
from pipeline.study.claims import Claim
from pipeline.study.evidence import Evidence
from pipeline.study.recommendation import Recommendation, recommend
from pipeline.study.verdict import Verdict, reach_verdicts


@dataclass(frozen=True)
class Comparison:
    """The answer to a question at one fraction of the training rows.

    verdicts: one for each task. gain: Δm in percent, gain_interval: over seeds; None if undefined.
    left_out: tasks whose metric is not defined for two seeds of both arms.
    """

    claim: Claim
    fraction: float
    verdicts: tuple[Verdict, ...]
    gain: float | None
    gain_interval: Interval | None
    left_out: tuple[str, ...] = ()

    @property
    def worst(self) -> Verdict:
        """The verdict of the task with the lowest difference, in units of its margin."""
        return min(self.verdicts, key=lambda v: v.mean / v.margin)


@dataclass(frozen=True)
class Findings:
    """The content of a report.

    comparisons: by question, then by fraction, the largest first. unanswered: questions without two
    seeds to compare. withheld: why there is no recommendation; empty if there is one.
    """

    evidence: Evidence
    comparisons: tuple[Comparison, ...]
    recommendation: Recommendation | None
    withheld: str = ""
    unanswered: tuple[Claim, ...] = ()


def draw_conclusions(evidence: Evidence) -> Findings:
    """Answer all questions, and recommend an arm."""
    claims = evidence.design.claims
    questions = product(claims, reversed(evidence.fractions))
    compared = [c for question in questions if (c := compare(evidence, *question)) is not None]
    answered = {c.claim for c in compared if c.fraction == evidence.largest}
    unanswered = tuple(c for c in claims if c not in answered)
    return Findings(evidence, tuple(compared), *recommend(evidence), unanswered)


def compare(evidence: Evidence, claim: Claim, fraction: float) -> Comparison | None:
    """Answer a question at a fraction; None if there are fewer than two seeds."""
    differences = evidence.differences(claim.arm, claim.against, fraction)
    if not differences:
        return None
    alpha = evidence.design.settings.alpha
    verdicts = reach_verdicts(differences, alpha)
    left_out = tuple(t for t in evidence.design.metrics if t not in {d.task for d in differences})
    gains = evidence.relative_gain(claim.arm, claim.against, fraction)
    if len(gains) < 2 or not np.isfinite(gains).all():
        return Comparison(claim, fraction, verdicts, None, None, left_out)
    error = statistics.standard_error(gains, evidence.overlap)
    interval = statistics.t_interval(gains, alpha, error)
    return Comparison(claim, fraction, verdicts, float(gains.mean()), interval, left_out)
