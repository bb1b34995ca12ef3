"""The head of count tasks: one log-rate, for Poisson regression.

The loss is half the unit deviance, y log(y / mu) - y + mu for a count y and a rate mu (McCullagh
and Nelder, Generalized Linear Models, 1989, section 2.3), computed as y (mu / y - 1 - log(mu / y)),
which loses no digits where mu is close to y. It is the negative log-likelihood less
that of a perfect prediction: the gradients are the same, but it is never negative, as methods that
balance by the size of losses assume.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from models.lazy import Tensor, keras
from models.tasks.heads.epoch_metrics import means, sums
from models.tasks.heads.head import Head


@final
class CountHead(Head):
    """The logarithm of the expected count."""

    directions = {"deviance": "min", "mae": "min"}  # noqa: RUF012 - declared in Head
    num_totals = 3

    def row_losses(self, labels: Tensor, outputs: Tensor) -> Tensor:
        ops, log_rate = keras.ops, outputs[:, 0]
        distance = log_rate - ops.log(ops.maximum(labels, 1.0))  # log(mu / y), for y > 0
        half = ops.where(labels > 0, labels * (ops.expm1(distance) - distance), ops.exp(log_rate))
        return ops.relu(half)  # rounding may leave it slightly below 0

    def answer(self, outputs: Tensor) -> Tensor:
        return keras.ops.exp(outputs)

    def raw(self, answer: Tensor) -> Tensor:
        return keras.ops.log(answer)

    def nonconformity(self, labels: Tensor, outputs: Tensor) -> Tensor:
        """The distance in standard deviations of the Poisson distribution."""
        rate = keras.ops.exp(outputs[:, 0])
        return keras.ops.abs(labels - rate) / keras.ops.sqrt(rate)

    def region(self, outputs: Tensor, radius: float) -> Mapping[str, Tensor]:
        ops, rate = keras.ops, keras.ops.exp(outputs)
        distance = radius * ops.sqrt(rate)
        return {"lower": ops.relu(rate - distance), "upper": rate + distance}

    def totals(self, labels: Tensor, outputs: Tensor, present: Tensor) -> Tensor:
        error = keras.ops.abs(keras.ops.exp(outputs[:, 0]) - labels)
        return sums(present, 2.0 * self.row_losses(labels, outputs), error)

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        deviance, error = means(totals)
        return {"deviance": deviance, "mae": error}
