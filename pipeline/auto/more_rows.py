"""What more training rows would bring: the learning curve of the candidates, extrapolated.

Successive halving trains some candidates on a ninth, a third and all of the rows. Their mean error
falls as an inverse power law of the rows (see `pipeline.study.learning_curve`), which is fitted to
each bootstrap sample of the validation rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.data.lazy import Floats, np
from components.experiments.scorer import ScoreFigures
from pipeline.auto.ranking import DEVIATIONS, Metrics
from pipeline.auto.state import State
from pipeline.study.learning_curve import FEWEST_SIZES, fit

RATES = (0.25, 0.5, 1.0)
"""Rates that two points are extrapolated with, since they determine none: the middle one is the
estimate."""


@dataclass(frozen=True)
class MoreRows:
    """The change of a metric that twice the training rows would bring.

    rows: the numbers of rows that it is extrapolated from, the last one all of them. change: in the
    unit of the metric, extrapolated. error: half of its 95 % interval. improves: whether the change
    is for the better.
    """

    task: str
    metric: str
    rows: tuple[int, ...]
    change: float
    error: float
    improves: bool

    def sentence(self) -> str:
        sizes = ", ".join(f"{n:,}" for n in self.rows)
        what = f"{self.change:+.4f} ± {self.error:.4f} {self.metric}"
        if self.improves and abs(self.change) > self.error:
            return f"{self.task}: twice the training rows: about {what} (95 %; from {sizes} rows)."
        return (
            f"{self.task}: whether more training rows would pay cannot be told: twice as many,"
            f" {what} (95 %; from {sizes} rows)."
        )


def more_rows(state: State, metrics: Metrics, rows: int) -> Iterator[MoreRows]:
    """The extrapolation for each task; none without candidates that learned from all rows and from
    fewer. rows: all of them.
    """
    sizes = sorted({t.rows for t in state.trials if t.scores is not None and t.rows <= rows})
    named = [{t.name for t in state.at(size)} for size in sizes]
    if len(sizes) < 2 or sizes[-1] != rows:
        return
    every = set.intersection(*named)
    if not every:
        sizes, every = sizes[-2:], named[-1] & named[-2]
    scores = [[t.scores for t in state.at(n) if t.name in every and t.scores] for n in sizes]
    if not every:
        return
    for task, metric in metrics.metrics.items():
        sign = metrics.signs[task]
        points = [[_errors(s, task, metric, sign) for s in of_size] for of_size in scores]
        curves = np.array(points, np.float64)  # [sizes, candidates, 1 + samples]
        gain, deviation = _twice(np.array(sizes, np.float64), curves)
        if np.isfinite(gain) and np.isfinite(deviation):
            error = DEVIATIONS * deviation
            yield MoreRows(task, metric, tuple(sizes), sign * gain, error, gain > 0)


def _errors(scores: ScoreFigures, task: str, metric: str, sign: int) -> list[float]:
    """The error on the validation rows and on each bootstrap sample: 1 - value, or the value if
    smaller ones are better.
    """
    values = [scores.values[task].get(metric), *scores.resampled[task][metric]]
    return [np.nan if v is None else (1 - v if sign > 0 else v) for v in values]


def _twice(rows: Floats, curves: Floats) -> tuple[float, float]:
    """By how much the error falls with twice the rows, and the standard error of that.

    rows: [sizes]. curves: [sizes, candidates, 1 + samples], the errors. Samples say what the choice
    of validation rows does, and the candidates how far one training differs from another.
    """
    mean = curves.mean(axis=1)
    falls = [_fall(rows, errors) for errors in mean.T if np.isfinite(errors).all()]
    whole = np.isfinite(mean[:, 0]).all()
    if not whole or len(falls) < 3:
        return np.nan, np.nan
    own = [_fall(rows, c) for c in curves[:, :, 0].T if np.isfinite(c).all()]
    between = np.std(own, ddof=1) / np.sqrt(len(own)) if len(own) > 1 else 0.0
    ends = [_fall(rows, mean[:, 0], (rate,)) for rate in RATES] if len(rows) < FEWEST_SIZES else [0]
    error = np.sqrt(np.var(falls[1:], ddof=1) + between**2 + np.var(ends))
    return float(falls[0]), float(error)


def _fall(rows: Floats, errors: Floats, rates: Sequence[float] = RATES[1:2]) -> float:
    """The error with all rows, minus that with twice as many."""
    last = rows[-1:]
    if len(rows) >= FEWEST_SIZES:
        law = fit(rows, errors)
        return float((law.error(last) - law.error(2 * last))[0])
    (rate,) = rates
    lower, upper = rows**-rate
    scale = (errors[0] - errors[1]) / (lower - upper)
    return float(scale * (upper - (2 * rows[1]) ** -rate))
