"""Which of several candidates is best, on validation rows, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.data.lazy import np
from components.experiments.scorer import ScoreFigures
from pipeline.auto.candidate import DEFAULT, LONGER
from pipeline.auto.state import Trial
from pipeline.tune.objective import Objective

DEVIATIONS = 1.96
"""Half of a 95 % interval, in standard errors."""
MOST_TIED = 5
"""Members of an ensemble."""


@dataclass(frozen=True)
class Ranked:
    """A trial with its gain over the reference in percent, mean over tasks, and the standard error
    of that difference by the choice of validation rows; both 0 for the reference.
    """

    trial: Trial
    gain: float
    error: float
    reference: bool = False


@dataclass(frozen=True)
class Metrics:
    """How candidates are compared. metrics: by task. signs: 1 if higher values are better.

    expected: candidates that are likely to be best where labels are too few to tell, most likely
        first. Another one is taken only if it is clearly better.
    """

    metrics: Mapping[str, str]
    signs: Mapping[str, int]
    expected: tuple[str, ...] = ()

    def ranked(self, trials: Sequence[Trial]) -> list[Ranked]:
        """The trials that have scores, best first. They have the same training rows. The reference
        is the first expected one, else the default, else the default with a limit of time, else
        the first one.
        """
        scored = [(t, t.scores) for t in trials if t.scores is not None]
        if not scored:
            return []
        by_name = {t.name: (t, s) for t, s in reversed(scored)}
        names = (*self.expected, DEFAULT, LONGER, scored[0][0].name)
        first, base = next(by_name[name] for name in names if name in by_name)
        ranked = [
            Ranked(t, self.gain(s, base), self.error(s, base), reference=t is first)
            for t, s in scored
        ]
        return sorted(ranked, key=lambda r: (r.gain, r.reference), reverse=True)

    def gain(self, own: ScoreFigures, other: ScoreFigures) -> float:
        """By how much percent metrics are better, mean over tasks; minus infinity if one of `own`
        is undefined.
        """
        base = {t: v for t in self.metrics if (v := self._value(other, t)) is not None}
        if not base:
            return -np.inf
        objective = Objective(self.metrics, self.signs, base)
        gain = objective.gain({t: self._value(own, t) for t in base})
        return -np.inf if gain is None else gain

    def error(self, own: ScoreFigures, other: ScoreFigures) -> float:
        """The standard error of `gain`, from paired bootstrap samples of the rows."""
        changes = []
        for task, metric in self.metrics.items():
            base = self._value(other, task)
            if base is None:
                continue
            pair = [np.array(s.resampled[task][metric], np.float64) for s in (own, other)]
            changes.append(100 * (pair[0] - pair[1]) / (abs(base) or 1.0))
        if not changes:
            return np.inf
        mean = np.mean(changes, axis=0)
        mean = mean[np.isfinite(mean)]
        return float(mean.std(ddof=1)) if len(mean) > 1 else np.inf

    def tied(self, ranked: Sequence[Ranked]) -> list[Trial]:
        """The best trial, and those that are behind it by at most a standard error."""
        first = ranked[0].trial
        assert first.scores is not None
        tied = [first]
        for other in (r.trial for r in ranked[1:]):
            assert other.scores is not None
            ahead = self.gain(first.scores, other.scores)
            if ahead <= self.error(first.scores, other.scores):
                tied.append(other)
        return tied[:MOST_TIED]

    def _value(self, scores: ScoreFigures, task: str) -> float | None:
        value = scores.values[task].get(self.metrics[task])
        return value if value is not None and np.isfinite(value) else None


def best(ranked: Sequence[Ranked]) -> Ranked:
    """The trial to take: the first, if its gain is more than its standard error; else the
    reference, because of many candidates one is ahead by chance.
    """
    first = ranked[0]
    reference = next((r for r in ranked if r.reference), first)
    return first if first.gain > first.error else reference
