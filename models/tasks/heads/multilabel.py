"""The head of multilabel tasks: one logit per class, independent of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import BINS, auc, logit_histogram, ratio
from models.tasks.heads.head import ClassWeight, Head, class_weights, logit
from models.tasks.multilabel import MultilabelTask


@final
class MultilabelHead(Head):
    """The loss and `auc` are means over the classes."""

    directions = {"auc": "max"}  # noqa: RUF012 - declared in Head

    def __init__(self, task: MultilabelTask, target: TaskTarget) -> None:
        super().__init__(task, target)
        self.units = len(target.classes)
        self.num_totals = self.units * 2 * BINS
        weights = element_weights(target, task.class_weight)
        self.weights = None if weights is None else np.array(weights, np.float32)
        self.focal, self.smoothing = task.focal, task.label_smoothing

    def row_losses(self, labels: Tensor, outputs: Tensor) -> Tensor:
        elements = losses.binary_crossentropy(
            labels, outputs, self.weights, self.focal, self.smoothing
        )
        return keras.ops.mean(elements, axis=-1)

    def answer(self, outputs: Tensor) -> Tensor:
        return keras.ops.sigmoid(outputs)

    def raw(self, answer: Tensor) -> Tensor:
        return logit(answer)

    def decided(self, answer: Tensor) -> Mapping[str, Tensor]:
        return {"labels": answer > self.target.decision}

    def totals(self, labels: Tensor, outputs: Tensor, present: Tensor) -> Tensor:
        columns = range(self.units)
        histograms = [logit_histogram(labels[:, c], outputs[:, c], present) for c in columns]
        return keras.ops.concatenate(histograms)

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        areas = [auc(h) for h in totals.reshape(self.units, 2, BINS)]
        defined = [a for a in areas if not np.isnan(a)]
        return {"auc": ratio(sum(defined), len(defined))}


def element_weights(
    target: TaskTarget, weight: ClassWeight
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Loss weights of absent and of present labels, by class.

    "balanced" balances the rows with and without each class; a mapping weighs its presence.

    Raises:
        ValueError: the mapping names an unknown class.
    """
    if weight == "balanced":
        n, counts = target.labelled, target.class_counts
        absent = tuple(n / (2 * max(n - c, 1)) for c in counts)
        return absent, tuple(n / (2 * max(c, 1)) for c in counts)
    present = class_weights(target, weight)
    return None if present is None else ((1.0,) * len(present), present)
