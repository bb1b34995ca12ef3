"""Centre and scale of numbers that a few outliers do not move."""

from __future__ import annotations

from collections.abc import Sequence

from components.data.lazy import np

OUTLIERS = 5.0
"""Times the robust scale; a standard deviation above is due to outliers or a long tail. A normal
distribution has 1, a lognormal one with deviation 1.5 has 5.
"""
_SPREADS = ((25, 75, 1.349), (5, 95, 3.290), (1, 99, 4.653))
"""Percentiles, and how many standard deviations of a normal distribution lie between them. The next
pair counts where the values of one are equal.
"""


def percentiles_of(values: np.ndarray) -> Sequence[float]:
    """101 values from minimum to maximum, as the statistics of a column have them."""
    return np.percentile(values, range(101)).tolist() if len(values) else []


def centre_and_scale(percentiles: Sequence[float]) -> tuple[float, float]:
    """The median, and the standard deviation of a normal distribution with the same middle half; 0
    if nearly all values are equal.
    """
    if not percentiles:
        return 0.0, 0.0
    spreads = ((percentiles[high] - percentiles[low]) / z for low, high, z in _SPREADS)
    return percentiles[50], next((spread for spread in spreads if spread > 0), 0.0)


def inflation(percentiles: Sequence[float], deviation: float) -> float:
    """How many times the robust scale the standard deviation is; 0 if there is no robust scale."""
    _, scale = centre_and_scale(percentiles)
    return deviation / scale if scale else 0.0
