"""Metrics of regression tasks. outputs [rows, 1], in the label's unit."""

from __future__ import annotations

from typing import final

from components.data.lazy import Floats, np
from components.evaluation.metrics.arrays import divided
from components.evaluation.metrics.family import Family, Predictions, Ratio

EQUAL = 1e-12
"""Below this variance, as a share of their squared range, labels are equal up to rounding."""


@final
class Regression(Family):
    names = ("mae", "rmse", "r2")
    reasons = {"r2": "all labels are equal"}  # noqa: RUF012 - a constant
    by_chance = ("r2", 0.0)
    lower_is_better = frozenset({"mae", "rmse"})
    relative_margin = frozenset({"mae", "rmse"})
    has_decision = False
    row_error = "mae"

    def values(self, rows: Predictions, weights: Floats) -> dict[str, Floats]:
        true = rows.labels.astype(np.float64)
        true_shifted = true - true.mean()
        error = rows.outputs[:, 0] - true
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

    def ratios(self, rows: Predictions) -> dict[str, Ratio]:
        error = rows.outputs[:, 0] - rows.labels.astype(np.float64)
        return {"mae": Ratio.mean(np.abs(error)), "rmse": Ratio.mean(error**2, form="root")}
