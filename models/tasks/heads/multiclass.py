"""The head of multiclass tasks: one logit per class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import means, sums
from models.tasks.heads.head import LEAST, ClassHead
from models.tasks.multiclass import MulticlassTask


@final
class MulticlassHead(ClassHead):
    directions = {"accuracy": "max"}  # noqa: RUF012 - declared in Head
    num_totals = 2

    def __init__(self, task: MulticlassTask, target: TaskTarget) -> None:
        super().__init__(task, target, task.class_weight)
        self.units = len(target.classes)
        self.focal, self.smoothing = task.focal, task.label_smoothing

    def row_losses(self, labels: Tensor, outputs: Tensor) -> Tensor:
        rows = losses.categorical_crossentropy(labels, outputs, self.focal, self.smoothing)
        if self.weights is None:
            return rows
        return rows * keras.ops.take(keras.ops.array(self.weights, "float32"), labels)

    def answer(self, outputs: Tensor) -> Tensor:
        return keras.ops.softmax(outputs)

    def raw(self, answer: Tensor) -> Tensor:
        return keras.ops.log(keras.ops.maximum(answer, LEAST))

    def decided(self, answer: Tensor) -> Mapping[str, Tensor]:
        return {"class": keras.ops.cast(keras.ops.argmax(answer, axis=-1), "int32")}

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        return keras.ops.log_softmax(outputs)

    def totals(self, labels: Tensor, outputs: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        predicted = ops.cast(ops.argmax(outputs, axis=-1), "int32")
        return sums(present, ops.cast(ops.equal(predicted, labels), "float32"))

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        return {"accuracy": means(totals)[0]}
