"""Heads: the loss and the epoch metrics of a task, on the raw outputs of its last layer.

A head's layer gives `units` raw outputs per row, such as logits. Loss and metrics work on raw
outputs; `answer` turns them into what is served.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np

from models.discovery import part
from models.lazy import keras
from models.tasks.base import Task, TaskTarget
from models.tasks.heads import losses

T = TypeVar("T", bound=Task)
ClassWeight = Literal["balanced"] | Mapping[str, float] | None


class Head(ABC):
    """The output of one task.

    target: the task and what its training labels say.
    units: raw outputs per row. num_totals: length of the vector that its metrics add up.
    directions: its metrics, and whether a higher or a lower value is better.
    """

    directions: ClassVar[Mapping[str, Literal["max", "min"]]]

    def __init__(self, target: TaskTarget, units: int, num_totals: int) -> None:
        self.target, self.units, self.num_totals = target, units, num_totals

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
        """Metrics by name, from totals summed over batches; NaN where one is undefined."""

    def present(self, labels: keras.KerasTensor) -> keras.KerasTensor:
        """float32 [batch]: 1 for rows that carry the label, else 0."""
        return losses.present(labels)

    def fill(self, labels: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        """Labels with a harmless value where they are missing. present: float32 [batch]."""
        return losses.filled(labels, present)


class HeadBuilder(ABC, Generic[T]):
    """Builds the heads of one kind of task."""

    @abstractmethod
    def build(self, task: T, target: TaskTarget) -> Head:
        """The head of a task.

        Raises:
            ValueError: the task's class weights name a class that it does not have.
        """


def head_for(target: TaskTarget) -> Head:
    """The head of a task.

    Raises:
        ValueError: its class weights name a class that it does not have.
    """
    builder: HeadBuilder[Any] = part("models.tasks.heads", HeadBuilder, target.task.kind)
    return builder.build(target.task, target)


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
    return listed_weights(target, weight)


def listed_weights(target: TaskTarget, weight: Mapping[str, float]) -> tuple[float, ...]:
    """A weight per class, in index order; 1 for classes that the mapping leaves out.

    Raises:
        ValueError: the mapping names an unknown class.
    """
    if unknown := sorted(set(weight) - set(target.classes)):
        raise ValueError(
            f"tasks.{target.name}.class_weight: no class {', '.join(map(repr, unknown))}. "
            f"Expected some of: {', '.join(map(repr, target.classes))}"
        )
    return tuple(float(weight.get(c, 1.0)) for c in target.classes)
