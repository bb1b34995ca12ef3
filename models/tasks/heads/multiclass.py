"""The head of multiclass tasks: one logit per class."""

from __future__ import annotations

from typing import final

import numpy as np

from models.lazy import keras
from models.tasks.base import TaskTarget
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import ratio
from models.tasks.heads.head import Head, HeadBuilder, class_weights
from models.tasks.multiclass import MulticlassTask


@final
class MulticlassHead(Head):
    """One logit per class."""

    directions = {"accuracy": "max"}  # noqa: RUF012 - declared in Head

    def __init__(self, task: MulticlassTask, target: TaskTarget) -> None:
        super().__init__(target, len(target.classes), 2)
        self.class_weights = class_weights(target, task.class_weight)

    def row_losses(
        self, labels: keras.KerasTensor, outputs: keras.KerasTensor
    ) -> keras.KerasTensor:
        rows = losses.categorical_crossentropy(labels, outputs)
        if self.class_weights is None:
            return rows
        return rows * keras.ops.take(keras.ops.array(self.class_weights, "float32"), labels)

    def answer(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.softmax(outputs)

    def totals(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        ops = keras.ops
        predicted = ops.cast(ops.argmax(outputs, axis=-1), "int32")
        correct = ops.cast(ops.equal(predicted, labels), "float32")
        return ops.stack([ops.sum(correct * present), ops.sum(present)])

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        return {"accuracy": ratio(totals[0], totals[1])}


@final
class MulticlassHeadBuilder(HeadBuilder[MulticlassTask]):
    def build(self, task: MulticlassTask, target: TaskTarget) -> MulticlassHead:
        return MulticlassHead(task, target)
