"""The recommended arm, and whether it is of any use at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.data.lazy import np
from pipeline.study.arms import PlannedArm
from pipeline.study.evidence import Evidence
from pipeline.study.standing import BASELINES, Standing, figures, standings
from pipeline.study.verdict import Differences


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


def recommend(evidence: Evidence) -> tuple[Recommendation | None, str]:
    """The cheapest arm that is statistically indistinguishable from the best on validation data.

    Indistinguishable: on every task, worse by at most the margin and one standard error (after the
    rule of Breiman et al. 1984, Classification and Regression Trees, section 3.4.3). Best: highest
    mean over tasks of (metric - reference's metric) / margin. Cheapest: fewest models to serve,
    then fewest trainable parameters, then shortest preparation and training. Arms that are ahead of
    a constant answer and of the classical model on more tasks come first.

    Returns:
        The recommendation or, if there is none, the reason. An arm that is on no task ahead of a
        constant answer, or of the classical model, is not recommended.
    """
    fraction, reference = evidence.largest, evidence.design.reference
    tasks = len(evidence.design.metrics)
    gains = {
        a.name: evidence.differences(a.name, reference, fraction, "val")
        for a in evidence.design.compared
    }
    arms = [a for a in evidence.design.compared if len(gains[a.name]) == tasks]
    if len(gains[reference]) < tasks:
        return None, (
            "arms are compared on validation data, and there the metrics of"
            f" `{reference}` are not defined for two seeds. Give data.splits.val a larger share."
        )
    means = {a.name: np.mean([d.mean / d.margin for d in gains[a.name]]) for a in arms}
    order = sorted(means, key=lambda name: -means[name])
    best = next(a for a in arms if a.name == order[0])

    def costs(arm: PlannedArm) -> tuple[float, ...]:
        names = "trainable_parameters", "seconds"
        behind = sum(s.behind for s in standings(evidence, arm.name, "val"))
        return behind, len(arm.models), *(evidence.cost(arm.name, fraction, n) for n in names)

    good = (a for a in arms if _indistinguishable(evidence, a.name, best.name, fraction))
    chosen = min(good, key=costs)
    if chosen is best:
        rival = next((name for name in order if name != best.name), best.name)
        reason = "It is the best on validation data, and no cheaper arm matches it."
    else:
        rival, saving = best.name, _saving(evidence, chosen, best, fraction)
        reason = f"On validation data it matches `{best.name}` (the best) {saving}."
    if useless := _useless(chosen.name, standings(evidence, chosen.name)):
        return None, useless
    confirmed = _confirmed(evidence, chosen.name, rival)
    return Recommendation(chosen.name, rival, reason, *confirmed), ""


def _useless(arm: str, known: Sequence[Standing]) -> str:
    """The baselines that an arm is behind on every task; empty if there is none."""
    for baseline, name in BASELINES.items():
        against = [s for s in known if s.baseline == baseline]
        if against and all(s.behind for s in against):
            return f"`{arm}`, the best arm, is on no task better than {name}: {figures(against)}."
    return ""


def _indistinguishable(evidence: Evidence, arm: str, best: str, fraction: float) -> bool:
    differences = evidence.differences(arm, best, fraction, "val")
    if len(differences) < len(evidence.design.metrics):
        return False
    return all(d.mean >= -(d.margin + d.error) for d in differences)


def _saving(evidence: Evidence, chosen: PlannedArm, best: PlannedArm, fraction: float) -> str:
    ours, theirs = (evidence.cost(a.name, fraction, "seconds") for a in (chosen, best))
    if ours < theirs:
        return f"at {100 * ours / theirs:.0f} % of the time to prepare data and train"
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
    differences = evidence.differences(arm, rival, evidence.largest)
    if missing := evidence.design.metrics.keys() - {d.task for d in differences}:
        return False, 1.0, min(missing), 0.0
    weakest = max(differences, key=Differences.p_not_inferior)
    p = weakest.p_not_inferior()
    return not weakest.flaw and p <= evidence.design.settings.alpha, p, weakest.task, weakest.margin
