"""Metrics of count tasks. outputs [rows, 1]: the expected count."""

from __future__ import annotations

from typing import final

from components.data.lazy import Floats, np
from components.evaluation.metrics.arrays import divided
from components.evaluation.metrics.family import Family, Predictions, Ratio


@final
class Count(Family):
    """deviance: the mean Poisson deviance, 2 (y log(y / mu) - y + mu) for a count y and an
    expected count mu. mae: in counts.
    """

    names = ("deviance", "mae")
    lower_is_better = frozenset({"deviance", "mae"})
    relative_margin = frozenset({"deviance", "mae"})
    has_decision = False
    row_error = "deviance"

    def values(self, rows: Predictions, weights: Floats) -> dict[str, Floats]:
        true, expected = rows.labels.astype(np.float64), rows.outputs[:, 0]
        total = weights.sum(axis=1)
        return {
            "deviance": divided(weights @ _deviance(true, expected), total),
            "mae": divided(weights @ np.abs(expected - true), total),
        }

    def ratios(self, rows: Predictions) -> dict[str, Ratio]:
        true, expected = rows.labels.astype(np.float64), rows.outputs[:, 0]
        return {
            "deviance": Ratio.mean(_deviance(true, expected)),
            "mae": Ratio.mean(np.abs(expected - true)),
        }


def _deviance(true: Floats, expected: Floats) -> Floats:
    """[rows] Poisson deviances. Expected counts of 0 are taken as the smallest positive float32:
    heads answer in float32, where the exponential of a very negative log-rate is 0.
    """
    positive = np.maximum(expected, np.finfo(np.float32).tiny)
    log_ratio = np.log(np.maximum(true, 1.0) / positive)  # 0 log 0 is 0
    return np.asarray(2 * (true * log_ratio - true + positive))
