"""The head of multilabel tasks: one logit per class, independent of the others."""

from __future__ import annotations

from typing import final

import numpy as np

from models.lazy import keras
from models.tasks.base import TaskTarget
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import BINS, auc, logit_histogram, ratio
from models.tasks.heads.head import ClassWeight, Head, HeadBuilder, listed_weights
from models.tasks.multilabel import MultilabelTask


@final
class MultilabelHead(Head):
    """One logit per class; the loss and `auc` are means over the classes."""

    directions = {"auc": "max"}  # noqa: RUF012 - declared in Head

    def __init__(self, task: MultilabelTask, target: TaskTarget) -> None:
        super().__init__(target, len(target.classes), len(target.classes) * 2 * BINS)
        self.class_weights = element_weights(target, task.class_weight)

    def row_losses(
        self, labels: keras.KerasTensor, outputs: keras.KerasTensor
    ) -> keras.KerasTensor:
        elements = losses.binary_crossentropy(labels, outputs)
        if self.class_weights is not None:
            negative, positive = (keras.ops.array(w, "float32") for w in self.class_weights)
            elements = elements * (negative + (positive - negative) * labels)
        return keras.ops.mean(elements, axis=-1)

    def answer(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.sigmoid(outputs)

    def totals(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        columns = range(self.units)
        return keras.ops.concatenate(
            [logit_histogram(labels[:, c], outputs[:, c], present) for c in columns]
        )

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        areas = [auc(h) for h in totals.reshape(self.units, 2, BINS)]
        defined = [a for a in areas if not np.isnan(a)]
        return {"auc": ratio(sum(defined), len(defined))}


@final
class MultilabelHeadBuilder(HeadBuilder[MultilabelTask]):
    def build(self, task: MultilabelTask, target: TaskTarget) -> MultilabelHead:
        return MultilabelHead(task, target)


def element_weights(
    target: TaskTarget, weight: ClassWeight
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Loss weights of absent and of present labels, by class.

    "balanced" balances the rows with and without each class; a mapping weighs its presence.

    Raises:
        ValueError: the mapping names an unknown class.
    """
    if weight is None:
        return None
    n, counts = target.labelled, target.class_counts
    if weight == "balanced":
        absent = tuple(n / (2 * max(n - c, 1)) for c in counts)
        return absent, tuple(n / (2 * max(c, 1)) for c in counts)
    return (1.0,) * len(counts), listed_weights(target, weight)
