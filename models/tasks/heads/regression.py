"""The head of regression tasks: one standardised value."""

from __future__ import annotations

from typing import final

import numpy as np

from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import means, sums
from models.tasks.heads.head import Head
from models.tasks.regression import RegressionTask


@final
class RegressionHead(Head):
    """The standardised label: (label - mean) / deviation over the training split."""

    directions = {"mae": "min", "rmse": "min"}  # noqa: RUF012 - declared in Head
    num_totals = 3

    def __init__(self, task: RegressionTask, target: TaskTarget) -> None:
        super().__init__(task, target)
        self.loss = losses.squared_error if task.has_squared_error else losses.huber

    def row_losses(self, labels: Tensor, outputs: Tensor) -> Tensor:
        return self.loss(self._standardised(labels), outputs[:, 0])

    def answer(self, outputs: Tensor) -> Tensor:
        return outputs * self.target.deviation + self.target.mean

    def totals(self, labels: Tensor, outputs: Tensor, present: Tensor) -> Tensor:
        error = outputs[:, 0] - self._standardised(labels)
        return sums(present, keras.ops.abs(error), keras.ops.square(error))

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        """In the label's unit."""
        absolute, squared = means(totals)
        unit = self.target.deviation
        return {"mae": unit * absolute, "rmse": unit * float(np.sqrt(squared))}

    def _standardised(self, labels: Tensor) -> Tensor:
        return (labels - self.target.mean) / self.target.deviation
