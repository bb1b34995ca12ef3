"""The head of regression tasks: one standardised value."""

from __future__ import annotations

from typing import final

import numpy as np

from models.lazy import keras
from models.tasks.base import TaskTarget
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import ratio
from models.tasks.heads.head import Head, HeadBuilder
from models.tasks.regression import RegressionTask


@final
class RegressionHead(Head):
    """The standardised label: (label - mean) / deviation over the training split."""

    directions = {"mae": "min", "rmse": "min"}  # noqa: RUF012 - declared in Head

    def __init__(self, task: RegressionTask, target: TaskTarget) -> None:
        super().__init__(target, 1, 3)
        self.loss = losses.squared_error if task.has_squared_error else losses.huber

    def row_losses(
        self, labels: keras.KerasTensor, outputs: keras.KerasTensor
    ) -> keras.KerasTensor:
        return self.loss(self._standardised(labels), outputs[:, 0])

    def answer(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        return outputs * self.target.deviation + self.target.mean

    def totals(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        ops = keras.ops
        error = (outputs[:, 0] - self._standardised(labels)) * present
        return ops.stack([ops.sum(ops.abs(error)), ops.sum(ops.square(error)), ops.sum(present)])

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        """In the label's unit."""
        unit = self.target.deviation
        return {
            "mae": unit * ratio(totals[0], totals[2]),
            "rmse": unit * float(np.sqrt(ratio(totals[1], totals[2]))),
        }

    def _standardised(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        return (labels - self.target.mean) / self.target.deviation


@final
class RegressionHeadBuilder(HeadBuilder[RegressionTask]):
    def build(self, task: RegressionTask, target: TaskTarget) -> RegressionHead:
        return RegressionHead(task, target)
