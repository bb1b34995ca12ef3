"""Heads: the loss and the epoch metrics of a task, on the raw outputs of its last layer.

A head's layer gives `units` raw outputs per row, such as logits. Loss and metrics work on raw
outputs; `answer` turns them into what is served.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from models.discovery import part
from models.lazy import Tensor
from models.tasks.base import Task, TaskTarget

ClassWeight = Literal["balanced"] | Mapping[str, float] | None


class Head(ABC):
    """The output of one task. A subclass in `models/tasks/heads/<kind>.py` gets tasks of its kind.

    target: the task and what its training labels say.
    units: raw outputs per row. num_totals: length of the vector that its metrics add up.
    directions: its metrics, and whether a higher or a lower value is better.
    """

    directions: ClassVar[Mapping[str, Literal["max", "min"]]]
    num_totals: int
    units: int = 1

    def __init__(self, task: Task, target: TaskTarget) -> None:
        """Raises ValueError if the task's class weights name a class that it does not have."""
        self.target = target

    @abstractmethod
    def row_losses(self, labels: Tensor, outputs: Tensor) -> Tensor:
        """float32 [batch], class weights applied. Labels hold no missing values.

        outputs: float32 [batch, units].
        """

    def balance(self) -> bool:
        """Weigh all classes alike in the loss, unless the task states weights. Returns whether the
        kind has classes and no stated weights.
        """
        return False

    @abstractmethod
    def answer(self, outputs: Tensor) -> Tensor:
        """What is served, float32 [batch, units]: probabilities, or a value in the label's unit."""

    @abstractmethod
    def totals(self, labels: Tensor, outputs: Tensor, present: Tensor) -> Tensor:
        """float32 [num_totals] of a batch. Labels hold no missing values where not `present`."""

    @abstractmethod
    def metrics(self, totals: np.ndarray) -> dict[str, float]:
        """Metrics by name, from totals summed over batches; NaN where one is undefined."""


def head_for(target: TaskTarget) -> Head:
    """The head of a task.

    Raises:
        ValueError: its class weights name a class that it does not have.
    """
    return part("models.tasks.heads", Head, target.task.kind)(target.task, target)


class ClassHead(Head):
    """A head of rows with one class each.

    weights: of each class in the loss; None if all rows weigh the same.
    """

    def __init__(self, task: Task, target: TaskTarget, class_weight: ClassWeight) -> None:
        super().__init__(task, target)
        self.weights = class_weights(target, class_weight)

    def balance(self) -> bool:
        stated = self.weights is not None
        self.weights = self.weights or class_weights(self.target, "balanced")
        return not stated


def class_weights(target: TaskTarget, weight: ClassWeight) -> tuple[float, ...] | None:
    """A weight per class; 1 for classes that a mapping leaves out.

    "balanced" is rows / (classes x rows of the class), 1 on average.

    Raises:
        ValueError: the mapping names an unknown class.
    """
    if weight is None:
        return None
    if weight == "balanced":
        classes = len(target.classes)
        return tuple(target.labelled / (classes * max(n, 1)) for n in target.class_counts)
    if unknown := sorted(set(weight) - set(target.classes)):
        raise ValueError(
            f"tasks.{target.name}.class_weight: no class {', '.join(map(repr, unknown))}. "
            f"Expected some of: {', '.join(map(repr, target.classes))}"
        )
    return tuple(float(weight.get(c, 1.0)) for c in target.classes)
