"""The objective of a search: the gain of a trial over the original spec, over all tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from components.data.lazy import np
from components.errors import RootstockError
from components.experiments.trial_result import TrialFigures
from pipeline.spec.metrics import chosen_metrics, sign
from pipeline.spec.sections import Spec

Values = Mapping[str, float | None]


@dataclass(frozen=True)
class Objective:
    """Gain over the original spec on validation data.

    metrics: by task. signs: 1 if higher values are better, else -1. base: the original spec's
    values.
    """

    metrics: Mapping[str, str]
    signs: Mapping[str, int]
    base: Mapping[str, float]

    def gain(self, values: Values) -> float | None:
        """Mean relative gain over tasks in percent (Δm: Maninis et al. 2019, CVPR, equation 4).

        None if the metric of a task is undefined.
        """
        gains = []
        for task, base in self.base.items():
            value = values[task]
            if value is None or not np.isfinite(value):
                return None
            gains.append(100 * self.signs[task] * (value - base) / (abs(base) or 1.0))
        return float(np.mean(gains))

    def of_epoch(self, figures: Mapping[str, float]) -> float | None:
        """The gain after an epoch; None if epochs lack the metrics."""
        return self.gain({t: figures.get(f"val_{t}_{m}") for t, m in self.metrics.items()})


def objective_for(spec: Spec, base: TrialFigures) -> Objective:
    """The objective of a search. base: the metrics of the original spec.

    Raises:
        RootstockError: a task has no metric on validation rows.
    """
    metrics = chosen_metrics(spec, "tune", spec.tune.metrics)
    signs = {t: sign(spec, t, m) for t, m in metrics.items()}
    figures = {t: base.tasks[t].val.get(m) for t, m in metrics.items()}
    values = {t: v for t, v in figures.items() if v is not None}
    if missing := [t for t in figures if t not in values]:
        raise RootstockError(
            "tune compares trials on validation rows, and these tasks have no metric there:"
            f" {', '.join(missing)}. Give data.splits.val a larger share."
        )
    return Objective(metrics, signs, values)
