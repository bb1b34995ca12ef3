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
from models.lazy import Tensor, keras
from models.tasks.base import Task, TaskTarget

ClassWeight = Literal["balanced"] | Mapping[str, float] | None
LEAST = 1e-7
"""Probabilities are at least so far from 0 and 1 where their logarithm is taken, as float32 can
tell them apart."""


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
    def raw(self, answer: Tensor) -> Tensor:
        """Raw outputs that have this answer, float32 [batch, units]: of a mean of answers."""

    def decided(self, answer: Tensor) -> Mapping[str, Tensor]:
        """What the answer comes to, by name. `class`: int32 [batch], of kinds with one class;
        `labels`: bool [batch, classes], of kinds with several; nothing of numbers.
        """
        return {}

    def nonconformity(self, labels: Tensor, outputs: Tensor) -> Tensor:
        """How badly labels fit the raw outputs, float32 [batch]; of kinds that have `coverage`."""
        raise NotImplementedError(f"{self.target.task.kind} tasks have no coverage")

    def region(self, outputs: Tensor, radius: float) -> Mapping[str, Tensor]:
        """The labels whose nonconformity is at most `radius`, by name. `lower` and `upper`: float32
        [batch, 1], of numbers; `set`: bool [batch, classes].
        """
        raise NotImplementedError(f"{self.target.task.kind} tasks have no coverage")

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


def logit(p: Tensor) -> Tensor:
    """The raw outputs whose sigmoids are p."""
    p = keras.ops.clip(p, LEAST, 1 - LEAST)
    return keras.ops.log(p) - keras.ops.log1p(-p)


class ClassHead(Head):
    """A head of rows with one class each.

    Its sets are those of the least ambiguous classifiers (Sadinle, Lei and Wasserman 2019,
    arXiv:1609.00451, section 2): all classes above one probability. No sets of the same coverage
    have fewer classes on average; a set is empty where no class is likely enough.

    weights: of each class in the loss; None if all rows weigh the same.
    """

    def __init__(self, task: Task, target: TaskTarget, class_weight: ClassWeight) -> None:
        super().__init__(task, target)
        self.weights = class_weights(target, class_weight)

    @abstractmethod
    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """Of all classes, float32 [batch, classes]."""

    def nonconformity(self, labels: Tensor, outputs: Tensor) -> Tensor:
        ops = keras.ops
        own = ops.cast(labels, "int32")[:, None]
        return -ops.take_along_axis(self.log_probabilities(outputs), own, axis=1)[:, 0]

    def region(self, outputs: Tensor, radius: float) -> Mapping[str, Tensor]:
        return {"set": -self.log_probabilities(outputs) <= radius}

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
