"""Metrics of numbers. outputs [rows, 1], in the label's unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.data.arrow import np
from components.evaluation.metrics.family import Family
from components.evaluation.metrics.ranking import divided

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EQUAL = 1e-12
"""Labels of a smaller variance, as a share of their squared range, are equal but for rounding."""


class Regression(Family):
    """See `Family`."""

    names = ("mae", "rmse", "r2")
    reasons = {"r2": "all labels are equal"}  # noqa: RUF012 - see the base class
    lower_is_better = frozenset({"mae", "rmse"})

    def values(
        self, labels: np.ndarray, outputs: Floats, weights: Floats, decision: float
    ) -> dict[str, Floats]:
        """See `Family.values`."""
        true = labels.astype(np.float64)
        true_shifted = true - true.mean()
        error = outputs[:, 0] - true
        total = weights.sum(axis=1)
        squares = weights @ error**2
        mean = divided(weights @ true_shifted, total)
        spread = weights @ true_shifted**2 - total * mean**2
        constant = spread <= EQUAL * total * np.max(true_shifted**2)
        return {
            "mae": divided(weights @ np.abs(error), total),
            "rmse": np.sqrt(divided(squares, total)),
            "r2": 1 - divided(squares, np.where(constant, 0.0, spread)),
        }
