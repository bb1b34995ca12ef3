"""The head of regression tasks: one standardised value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import means, sums
from models.tasks.heads.head import Head
from models.tasks.regression import RegressionTask

MOST_LOG = 40.0
"""Largest logarithm of an answer, 2e17, so that its square is a float32."""


@final
class RegressionHead(Head):
    """The standardised label: (label - mean) / deviation, of its logarithm if the task says so."""

    directions = {"mae": "min", "rmse": "min"}  # noqa: RUF012 - declared in Head
    num_totals = 3

    def __init__(self, task: RegressionTask, target: TaskTarget) -> None:
        super().__init__(task, target)
        self.loss = losses.squared_error if task.has_squared_error else losses.huber
        self.log = task.log
        self.unit = 1.0 if task.log else target.deviation

    def row_losses(self, labels: Tensor, outputs: Tensor) -> Tensor:
        return self.loss(self._standardised(labels), outputs[:, 0])

    def answer(self, outputs: Tensor) -> Tensor:
        values = outputs * self.target.deviation + self.target.mean
        if not self.log:
            return values
        ops = keras.ops
        return ops.sign(values) * ops.expm1(ops.minimum(ops.abs(values), MOST_LOG))

    def raw(self, answer: Tensor) -> Tensor:
        return self._standardised(answer)

    def nonconformity(self, labels: Tensor, outputs: Tensor) -> Tensor:
        """The distance on the scale that is learned, of which `log` makes a factor."""
        return keras.ops.abs(self._standardised(labels) - outputs[:, 0])

    def region(self, outputs: Tensor, radius: float) -> Mapping[str, Tensor]:
        return {"lower": self.answer(outputs - radius), "upper": self.answer(outputs + radius)}

    def totals(self, labels: Tensor, outputs: Tensor, present: Tensor) -> Tensor:
        error = outputs[:, 0] - self._standardised(labels)
        if self.log:
            error = self.answer(outputs)[:, 0] - labels
        return sums(present, keras.ops.abs(error), keras.ops.square(error))

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        """In the label's unit."""
        absolute, squared = means(totals)
        return {"mae": self.unit * absolute, "rmse": self.unit * float(np.sqrt(squared))}

    def _standardised(self, labels: Tensor) -> Tensor:
        return (self._learned(labels) - self.target.mean) / self.target.deviation

    def _learned(self, values: Tensor) -> Tensor:
        """Values on the scale that is learned."""
        ops = keras.ops
        return ops.sign(values) * ops.log1p(ops.abs(values)) if self.log else values
