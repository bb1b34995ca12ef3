"""The head of binary tasks: one logit."""

from __future__ import annotations

from typing import final

import numpy as np

from models.lazy import keras
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import BINS, accuracy, auc, logit_histogram
from models.tasks.heads.head import Head, HeadBuilder, class_weights


@final
class BinaryHead(Head):
    """One logit."""

    directions = {"auc": "max", "accuracy": "max"}  # noqa: RUF012 - declared in Head

    def __init__(self, task: BinaryTask, target: TaskTarget) -> None:
        super().__init__(target, 1, 2 * BINS)
        self.class_weights = class_weights(target, task.class_weight)

    def row_losses(
        self, labels: keras.KerasTensor, outputs: keras.KerasTensor
    ) -> keras.KerasTensor:
        rows = losses.binary_crossentropy(labels, outputs[:, 0])
        if self.class_weights is None:
            return rows
        negative, positive = self.class_weights
        return rows * (negative + (positive - negative) * labels)

    def answer(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.sigmoid(outputs)

    def totals(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        return logit_histogram(labels, outputs[:, 0], present)

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        histogram = totals.reshape(2, BINS)
        return {"auc": auc(histogram), "accuracy": accuracy(histogram)}


@final
class BinaryHeadBuilder(HeadBuilder[BinaryTask]):
    def build(self, task: BinaryTask, target: TaskTarget) -> BinaryHead:
        return BinaryHead(task, target)
