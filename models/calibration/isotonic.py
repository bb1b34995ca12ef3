"""Isotonic regression: any rising function, for every class on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np

from models.calibration.base import Answered, Calibration
from models.lazy import Tensor, keras

CLOSEST = 1e-4
"""Smallest distance of two knots, in log-odds."""


@final
@dataclass(frozen=True, kw_only=True)
class Isotonic(Calibration):
    """The rising function of the log-odds that is closest to the labels, linear between its knots
    (Zadrozny and Elkan 2002, Transforming classifier scores into accurate multiclass probability
    estimates, sections 3 and 4).

    Of several classes, each has a function of its own, and probabilities are divided by their sum.
    They stay between 1 / (rows + 2) and 1 minus that, where isotonic regression has 0 and 1: else
    one row would have an infinite log loss. Rows of similar probability become equal, so areas
    under curves change a little.

    places: log-odds of the knots, by unit. heights: probabilities there.
    """

    name: Literal["isotonic"] = "isotonic"
    exclusive: bool = False
    places: tuple[tuple[float, ...], ...] = ()
    heights: tuple[tuple[float, ...], ...] = ()
    order = 3

    @classmethod
    def fit(cls, rows: Answered) -> Isotonic:
        odds = np.asarray(_log_odds(rows.outputs, rows.exclusive))
        knots = [_knots(x, y) for x, y in zip(odds.T, rows.targets.T, strict=True)]
        places, heights = zip(*knots, strict=True)
        return cls(exclusive=rows.exclusive, places=places, heights=heights)

    def __call__(self, outputs: Tensor) -> Tensor:
        ops, dtype = keras.ops, outputs.dtype
        most = max(map(len, self.places))
        starts, widths, rises = np.zeros((3, len(self.places), most - 1))
        widths[:] = 1.0
        for unit, (x, y) in enumerate(zip(self.places, self.heights, strict=True)):
            starts[unit, : len(x) - 1] = x[:-1]
            widths[unit, : len(x) - 1] = np.diff(x)
            rises[unit, : len(x) - 1] = np.diff(y)
        first = ops.array([y[0] for y in self.heights], dtype)
        start, width, rise = (ops.array(v, dtype) for v in (starts, widths, rises))
        odds = _log_odds(outputs, self.exclusive)[:, :, None]
        p = first + ops.sum(rise * ops.clip((odds - start) / width, 0.0, 1.0), axis=-1)
        return ops.log(p) if self.exclusive else ops.log(p) - ops.log(1 - p)

    def described(self) -> str:
        return f"isotonic, {sum(map(len, self.places))} knots"


def _log_odds(outputs: Tensor, exclusive: bool) -> Tensor:
    """Of each unit, from raw outputs [rows, units]."""
    if not exclusive:
        return outputs
    log_p = keras.ops.log_softmax(outputs)
    return log_p - keras.ops.log(keras.ops.maximum(-keras.ops.expm1(log_p), 1e-7))


def _knots(x: np.ndarray, y: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Where the function bends: pool adjacent violators. x, y: float64 [rows]."""
    from scipy.optimize import isotonic_regression

    places, inverse, counts = np.unique(
        np.round(x / CLOSEST) * CLOSEST, return_inverse=True, return_counts=True
    )
    means = np.bincount(inverse, y) / counts
    least = 1 / (len(x) + 2)
    heights = np.clip(isotonic_regression(means, weights=counts).x, least, 1 - least)
    flat = heights[1:] == heights[:-1]
    bends = ~(np.append(False, flat) & np.append(flat, False))
    return tuple(map(float, places[bends])), tuple(map(float, heights[bends]))
