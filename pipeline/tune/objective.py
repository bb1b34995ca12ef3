"""What a trial is worth: how much better than the spec as it is, over all tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.data.arrow import np
from components.errors import RootstockError
from components.experiments.trial_result import TrialFigures
from pipeline.spec.metrics import chosen_metrics, sign
from pipeline.spec.sections import Spec

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Objective:
    """metrics: by task. signs: 1 where more of it is better, else -1. base: what the spec as it is
    has on validation rows.
    """

    metrics: Mapping[str, str]
    signs: Mapping[str, int]
    base: Mapping[str, float]

    def gain(self, values: Values) -> float | None:
        """The mean over tasks of the relative gain in percent (Δm: Maninis et al. 2019, CVPR,
        equation 4); None where a task has no value.
        """
        gains = []
        for task, base in self.base.items():
            value = values[task]
            if value is None or not np.isfinite(value):
                return None
            gains.append(100 * self.signs[task] * (value - base) / (abs(base) or 1.0))
        return float(np.mean(gains))

    def of_epoch(self, figures: Mapping[str, float]) -> float | None:
        """The same after an epoch; None where epochs do not have the metrics."""
        return self.gain({t: figures.get(f"val_{t}_{m}") for t, m in self.metrics.items()})


def against(spec: Spec, base: TrialFigures) -> Objective:
    """The objective against a trial of the spec as it is.

    Raises:
        RootstockError: it has no figures on validation rows.
    """
    metrics = chosen_metrics(spec, "tune", spec.tune.metrics)
    signs = {t: sign(spec, t, m) for t, m in metrics.items()}
    found = {t: base.tasks[t].val.get(m) for t, m in metrics.items()}
    if missing := [t for t, value in found.items() if value is None]:
        raise RootstockError(
            f"tune chooses by validation rows, and tasks {', '.join(missing)} have no figure there:"
            " give data.splits.val a larger share."
        )
    return Objective(metrics, signs, {t: v for t, v in found.items() if v is not None})
