"""How a figure grows with the rows, and how many rows a goal takes.

The error falls as `limit + scale * rows ** -rate`: the power law of learning curves (Cortes et al.
1994, NeurIPS; Hestness et al. 2017, arXiv:1712.00409, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from components.data.arrow import np
from pipeline.study.statistics import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

FEWEST_SIZES = 3
RESAMPLES = 200
RATES = (0.02, 2.0, 100)
"""The rates that are tried: lowest, highest, how many, evenly on a logarithmic scale."""


@dataclass(frozen=True)
class PowerLaw:
    """error = limit + scale * rows ** -rate, none of them negative."""

    limit: float
    scale: float
    rate: float

    def error(self, rows: Floats) -> Floats:
        """At these numbers of rows."""
        return self.limit + self.scale * rows**-self.rate

    def rows(self, error: float) -> float:
        """With which the error is reached; infinite where it never is."""
        if error <= self.limit or self.scale == 0:
            return inf if error < self.limit or self.scale > 0 else 0.0
        return float((self.scale / (error - self.limit)) ** (1 / self.rate))


def fit(rows: Floats, errors: Floats) -> PowerLaw:
    """By least squares: for every rate of a grid, limit and scale in closed form; the best of all.

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
    best, found = inf, PowerLaw(float(y_mean), 0.0, float(rates[0]))
    for limits, scales in (flat, through_zero, free):
        left = ((limits + scales * x - errors[:, None]) ** 2).sum(axis=0)
        left = np.where((limits >= 0) & (scales >= 0), left, inf)
        i = int(np.argmin(left))
        if left[i] < best - 1e-12:
            best = float(left[i])
            found = PowerLaw(float(limits[i]), float(scales[i]), float(rates[i]))
    return found


@dataclass(frozen=True)
class Needed:
    """Rows that a goal takes. interval: over resampled seeds; it may end at infinity.

    extrapolated: whether they are more than were tried.
    """

    rows: float
    interval: Interval
    extrapolated: bool


def rows_needed(errors: Mapping[int, Floats], goal: float, alpha: float) -> Needed | None:
    """With which a learning curve reaches an error; None for fewer than three sizes.

    errors: by number of rows, one for each seed, in the same order.
    """
    if len(errors) < FEWEST_SIZES:
        return None
    sizes = np.array(sorted(errors), np.float64)
    table = np.array([errors[int(n)] for n in sizes])
    found = _fitted(sizes, table).rows(goal)
    rng = np.random.default_rng(0)
    seeds = table.shape[1]
    drawn = [
        _fitted(sizes, table[:, rng.integers(0, seeds, seeds)]).rows(goal) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [alpha / 2, 1 - alpha / 2], method="nearest")
    return Needed(found, Interval(float(low), float(high)), found > sizes[-1])


def _fitted(sizes: Floats, table: Floats) -> PowerLaw:
    """The curve of the errors [sizes, seeds]."""
    return fit(np.repeat(sizes, table.shape[1]), table.ravel())
