"""Learning curves: error by number of training rows, and the rows that a goal needs.

The error falls as `limit + scale * rows ** -rate`: the power law of learning curves (Cortes et al.
1994, NeurIPS; Hestness et al. 2017, arXiv:1712.00409, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from components.data.lazy import Floats, np
from components.evaluation.intervals import Interval

FEWEST_SIZES = 3
RESAMPLES = 200
RATES = (0.02, 2.0, 100)
"""The rates that are tried: lowest, highest, number (logarithmically spaced)."""


@dataclass(frozen=True)
class PowerLaw:
    """error = limit + scale * rows ** -rate, none of them negative."""

    limit: float
    scale: float
    rate: float

    def error(self, rows: Floats) -> Floats:
        return self.limit + self.scale * rows**-self.rate

    def rows(self, error: float) -> float:
        """The rows with which an error is reached; infinite if it never is."""
        if error <= self.limit or self.scale == 0:
            return inf if error < self.limit or self.scale > 0 else 0.0
        return float((self.scale / (error - self.limit)) ** (1 / self.rate))


def fit(rows: Floats, errors: Floats) -> PowerLaw:
    """Least-squares fit: a grid of rates, with limit and scale in closed form for each rate.

    rows, errors: [points].
    """
    rates = np.geomspace(*RATES)
    x = rows[:, None] ** -rates
    x_mean, y_mean = x.mean(axis=0), errors.mean()
    spread = ((x - x_mean) ** 2).sum(axis=0)
    slope = ((x - x_mean) * (errors - y_mean)[:, None]).sum(axis=0) / np.maximum(spread, 1e-300)
    free = y_mean - slope * x_mean, slope
    through_zero = np.zeros_like(rates), (x * errors[:, None]).sum(axis=0) / (x**2).sum(axis=0)
    flat = np.full_like(rates, y_mean), np.zeros_like(rates)
    least, best = inf, PowerLaw(float(y_mean), 0.0, float(rates[0]))
    for limits, scales in (flat, through_zero, free):
        residual = ((limits + scales * x - errors[:, None]) ** 2).sum(axis=0)
        residual = np.where((limits >= 0) & (scales >= 0), residual, inf)
        i = int(np.argmin(residual))
        if residual[i] < least - 1e-12:
            least = float(residual[i])
            best = PowerLaw(float(limits[i]), float(scales[i]), float(rates[i]))
    return best


@dataclass(frozen=True)
class Needed:
    """Training rows that a goal needs.

    interval: over resampled seeds; it may end at infinity. extrapolated: whether the rows are more
    than the study used.
    """

    rows: float
    interval: Interval
    extrapolated: bool


def rows_needed(errors: Mapping[int, Floats], goal: float, alpha: float) -> Needed | None:
    """The rows with which a learning curve reaches the error `goal`.

    errors: by number of rows, one for each seed, in the same order. None for fewer than
    `FEWEST_SIZES` numbers of rows.
    """
    if len(errors) < FEWEST_SIZES:
        return None
    sizes = np.array(sorted(errors), np.float64)
    table = np.array([errors[int(n)] for n in sizes])
    rows = _fitted(sizes, table).rows(goal)
    rng, seeds = np.random.default_rng(0), table.shape[1]
    samples = [rng.integers(0, seeds, seeds) for _ in range(RESAMPLES)]
    drawn = [_fitted(sizes, table[:, sample]).rows(goal) for sample in samples]
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2], method="nearest")
    return Needed(rows, Interval(float(low), float(high)), rows > sizes[-1])


def _fitted(sizes: Floats, table: Floats) -> PowerLaw:
    """The curve fitted to the errors [sizes, seeds]."""
    return fit(np.repeat(sizes, table.shape[1]), table.ravel())
