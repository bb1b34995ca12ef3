"""The head of binary tasks: one logit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import BINS, accuracy, auc, logit_histogram
from models.tasks.heads.head import ClassHead, logit


@final
class BinaryHead(ClassHead):
    directions = {"auc": "max", "accuracy": "max"}  # noqa: RUF012 - declared in Head
    num_totals = 2 * BINS

    def __init__(self, task: BinaryTask, target: TaskTarget) -> None:
        super().__init__(task, target, task.class_weight)
        self.focal, self.smoothing = task.focal, task.label_smoothing

    def row_losses(self, labels: Tensor, outputs: Tensor) -> Tensor:
        logits = outputs[:, 0]
        return losses.binary_crossentropy(labels, logits, self.weights, self.focal, self.smoothing)

    def answer(self, outputs: Tensor) -> Tensor:
        return keras.ops.sigmoid(outputs)

    def raw(self, answer: Tensor) -> Tensor:
        return logit(answer)

    def decided(self, answer: Tensor) -> Mapping[str, Tensor]:
        return {"class": keras.ops.cast(answer[:, 0] > self.target.decision, "int32")}

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        return keras.ops.log_sigmoid(keras.ops.concatenate([-outputs, outputs], axis=1))

    def totals(self, labels: Tensor, outputs: Tensor, present: Tensor) -> Tensor:
        return logit_histogram(labels, outputs[:, 0], present)

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        histogram = totals.reshape(2, BINS)
        return {"auc": auc(histogram), "accuracy": accuracy(histogram)}
