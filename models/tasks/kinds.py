"""Heads: what a task's kind decides. One class per kind of `models.tasks.base`.

A head's layer gives `units` raw outputs per row: logits, or a standardised value. The loss and the
metrics work on these; `answer` turns them into what is served.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from models.lazy import keras
from models.tasks import losses
from models.tasks.base import (
    BinaryTask,
    MulticlassTask,
    MultilabelTask,
    RegressionTask,
    TaskTarget,
)
from models.tasks.epoch_metrics import BINS, accuracy, auc, logit_histogram, ratio


class Head(ABC):
    """The output of one task.

    target: the task and what its training labels say.
    units: raw outputs per row. num_totals: length of the vector that its metrics add up.
    directions: its metrics, and whether more or less of each is better.
    """

    directions: ClassVar[Mapping[str, Literal["max", "min"]]]

    def __init__(self, target: TaskTarget, units: int, num_totals: int) -> None:
        self.target, self.units, self.num_totals = target, units, num_totals

    @abstractmethod
    def present(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        """float32 [batch]: 1 for rows that carry the label, else 0."""

    @abstractmethod
    def row_losses(
        self, labels: keras.KerasTensor, outputs: keras.KerasTensor
    ) -> keras.KerasTensor:
        """float32 [batch], class weights applied. Labels hold no missing values.

        outputs: float32 [batch, units].
        """

    @abstractmethod
    def answer(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """What is served, float32 [batch, units]: probabilities, or a value in the label's unit."""

    @abstractmethod
    def totals(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        """float32 [num_totals] of a batch. Labels hold no missing values where not `present`."""

    @abstractmethod
    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        """The metrics, by name, of totals summed over batches; NaN where none is defined."""

    def fill(self, labels: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        """Labels with a harmless value where they are missing."""
        return losses.filled(labels, present)


class BinaryHead(Head):
    """One logit."""

    directions = {"auc": "max", "accuracy": "max"}  # noqa: RUF012 - declared in Head

    def __init__(self, target: TaskTarget, task: BinaryTask) -> None:
        super().__init__(target, 1, 2 * BINS)
        self.class_weights = class_weights(target, task.class_weight)

    def present(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        """See `Head`."""
        return keras.ops.cast(keras.ops.logical_not(keras.ops.isnan(labels)), "float32")

    def row_losses(
        self, labels: keras.KerasTensor, outputs: keras.KerasTensor
    ) -> keras.KerasTensor:
        """See `Head`."""
        rows = losses.binary_crossentropy(labels, outputs[:, 0])
        if self.class_weights is None:
            return rows
        negative, positive = self.class_weights
        return rows * (negative + (positive - negative) * labels)

    def answer(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Head`."""
        return keras.ops.sigmoid(outputs)

    def totals(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        """See `Head`."""
        return logit_histogram(labels, outputs[:, 0], present)

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        """See `Head`."""
        histogram = totals.reshape(2, BINS)
        return {"auc": auc(histogram), "accuracy": accuracy(histogram)}


class MulticlassHead(Head):
    """A logit for each class."""

    directions = {"accuracy": "max"}  # noqa: RUF012

    def __init__(self, target: TaskTarget, task: MulticlassTask) -> None:
        super().__init__(target, len(target.classes), 2)
        self.class_weights = class_weights(target, task.class_weight)

    def present(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        """See `Head`."""
        return keras.ops.cast(labels >= 0, "float32")

    def row_losses(
        self, labels: keras.KerasTensor, outputs: keras.KerasTensor
    ) -> keras.KerasTensor:
        """See `Head`."""
        rows = losses.categorical_crossentropy(labels, outputs)
        if self.class_weights is None:
            return rows
        return rows * keras.ops.take(keras.ops.array(self.class_weights, "float32"), labels)

    def answer(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Head`."""
        return keras.ops.softmax(outputs)

    def totals(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        """See `Head`."""
        ops = keras.ops
        chosen = ops.cast(ops.argmax(outputs, axis=-1), "int32")
        right = ops.cast(ops.equal(chosen, labels), "float32")
        return ops.stack([ops.sum(right * present), ops.sum(present)])

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        """See `Head`."""
        return {"accuracy": ratio(totals[0], totals[1])}


class MultilabelHead(Head):
    """A logit for each class; loss and `auc` are means over the classes."""

    directions = {"auc": "max"}  # noqa: RUF012

    def __init__(self, target: TaskTarget, task: MultilabelTask) -> None:
        super().__init__(target, len(target.classes), len(target.classes) * 2 * BINS)
        self.class_weights = element_weights(target, task.class_weight)

    def present(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        """See `Head`."""
        known = keras.ops.logical_not(keras.ops.isnan(labels))
        return keras.ops.cast(keras.ops.all(known, axis=-1), "float32")

    def fill(self, labels: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        """See `Head`."""
        return losses.filled(labels, present[:, None])

    def row_losses(
        self, labels: keras.KerasTensor, outputs: keras.KerasTensor
    ) -> keras.KerasTensor:
        """See `Head`."""
        elements = losses.binary_crossentropy(labels, outputs)
        if self.class_weights is not None:
            negative, positive = (keras.ops.array(w, "float32") for w in self.class_weights)
            elements = elements * (negative + (positive - negative) * labels)
        return keras.ops.mean(elements, axis=-1)

    def answer(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Head`."""
        return keras.ops.sigmoid(outputs)

    def totals(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        """See `Head`."""
        columns = range(self.units)
        return keras.ops.concatenate(
            [logit_histogram(labels[:, c], outputs[:, c], present) for c in columns]
        )

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        """See `Head`."""
        areas = [auc(h) for h in totals.reshape(self.units, 2, BINS)]
        defined = [a for a in areas if not np.isnan(a)]
        return {"auc": ratio(sum(defined), len(defined))}


class RegressionHead(Head):
    """The standardised label: (label - mean) / deviation over the training split."""

    directions = {"mae": "min", "rmse": "min"}  # noqa: RUF012

    def __init__(self, target: TaskTarget, task: RegressionTask) -> None:
        super().__init__(target, 1, 3)
        self.loss = losses.squared_error if task.loss == "mse" else losses.huber

    def present(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        """See `Head`."""
        return keras.ops.cast(keras.ops.logical_not(keras.ops.isnan(labels)), "float32")

    def row_losses(
        self, labels: keras.KerasTensor, outputs: keras.KerasTensor
    ) -> keras.KerasTensor:
        """See `Head`."""
        return self.loss(self._standardised(labels), outputs[:, 0])

    def answer(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        """See `Head`."""
        return outputs * self.target.deviation + self.target.mean

    def totals(
        self,
        labels: keras.KerasTensor,
        outputs: keras.KerasTensor,
        present: keras.KerasTensor,
    ) -> keras.KerasTensor:
        """See `Head`."""
        ops = keras.ops
        error = (outputs[:, 0] - self._standardised(labels)) * present
        return ops.stack([ops.sum(ops.abs(error)), ops.sum(ops.square(error)), ops.sum(present)])

    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        """See `Head`: in the label's unit."""
        unit = self.target.deviation
        return {
            "mae": unit * ratio(totals[0], totals[2]),
            "rmse": unit * float(np.sqrt(ratio(totals[1], totals[2]))),
        }

    def _standardised(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        return (labels - self.target.mean) / self.target.deviation


def head_for(target: TaskTarget) -> Head:
    """The head of a task.

    Raises:
        ValueError: its class weights name a class that it does not have.
    """
    match target.task:
        case BinaryTask() as task:
            return BinaryHead(target, task)
        case MulticlassTask() as task:
            return MulticlassHead(target, task)
        case MultilabelTask() as task:
            return MultilabelHead(target, task)
        case RegressionTask() as task:
            return RegressionHead(target, task)


ClassWeight = Literal["balanced"] | Mapping[str, float] | None


def class_weights(target: TaskTarget, weight: ClassWeight) -> tuple[float, ...] | None:
    """A weight per class. "balanced" is rows / (classes x rows of the class), 1 on average.

    Raises:
        ValueError: the mapping names an unknown class.
    """
    if weight is None:
        return None
    if weight == "balanced":
        classes = len(target.classes)
        return tuple(target.labelled / (classes * max(n, 1)) for n in target.class_counts)
    return _listed(target, weight)


def element_weights(
    target: TaskTarget, weight: ClassWeight
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Of a multilabel task: weights of absent and of present labels, by class.

    "balanced" balances each class's rows with and without it; a mapping weighs its presence.

    Raises:
        ValueError: the mapping names an unknown class.
    """
    if weight is None:
        return None
    n, counts = target.labelled, target.class_counts
    if weight == "balanced":
        absent = tuple(n / (2 * max(n - c, 1)) for c in counts)
        return absent, tuple(n / (2 * max(c, 1)) for c in counts)
    return (1.0,) * len(counts), _listed(target, weight)


def _listed(target: TaskTarget, weight: Mapping[str, float]) -> tuple[float, ...]:
    if unknown := sorted(set(weight) - set(target.classes)):
        raise ValueError(
            f"tasks.{target.name}.class_weight: no class {', '.join(map(repr, unknown))}. "
            f"Expected some of: {', '.join(map(repr, target.classes))}"
        )
    return tuple(float(weight.get(c, 1.0)) for c in target.classes)
