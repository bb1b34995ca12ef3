"""Is an arm of any use? How it compares with a constant answer and with a classical model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from components.data.lazy import np
from pipeline.study.evidence import Evidence

BASELINES = {"majority": "a constant answer", "classical": "the classical model"}
"""What an arm has to beat, and what sentences call it."""


@dataclass(frozen=True)
class Standing:
    """An arm and a baseline on one task, on the same rows of a split.

    ours, theirs: their metrics, means over seeds. mean: of the differences; positive is better.
    """

    arm: str
    baseline: str
    task: str
    metric: str
    ours: float
    theirs: float
    mean: float

    @property
    def behind(self) -> bool:
        """Whether the arm is not even ahead by the mean over seeds."""
        return self.mean <= 0


def standings(evidence: Evidence, arm: str, split: str = "test") -> list[Standing]:
    """Against every baseline with results, on every task."""
    fraction, found = evidence.largest, []
    for baseline in BASELINES:
        for d in evidence.differences(arm, baseline, fraction, split):
            ours, theirs = (
                float(np.mean(evidence.values(name, fraction, d.task, split)))
                for name in (arm, baseline)
            )
            metric = evidence.design.metrics[d.task]
            found.append(Standing(arm, baseline, d.task, metric, ours, theirs, d.mean))
    return found


def figures(known: Iterable[Standing]) -> str:
    """The metrics of an arm and of the baseline, by task."""
    return ", ".join(f"`{s.task}` ({s.metric} {s.ours:.4g} against {s.theirs:.4g})" for s in known)


def not_compared(evidence: Evidence, known: Sequence[Standing]) -> list[str]:
    """The baselines, or tasks of a baseline, without a figure to compare with, and why."""
    reasons = []
    for baseline, name in BASELINES.items():
        tasks = {s.task for s in known if s.baseline == baseline}
        missing = [f"`{t}`" for t in evidence.design.metrics if t not in tasks]
        if baseline not in evidence.design.baselines:
            reasons.append(f"{name} (`study.baselines` leaves it out)")
        elif not tasks:
            reasons.append(f"{name} (it has no results)")
        elif missing:
            reasons.append(f"{name} on {', '.join(missing)} (the metric is undefined)")
    return reasons
