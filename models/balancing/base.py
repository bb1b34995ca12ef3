"""What a balancing method is: the losses of several tasks become one update of shared weights.

Methods differ in what they look at. A `LossBalancer` looks at the vector of losses and gives a
scalar to differentiate; a `HindsightBalancer` also looks at the losses again after the update, a
`TwoLevelBalancer` at what updates would do to other rows. A
`GradientBalancer` looks at one gradient per task, taken at the shared representation, and gives the
one gradient that goes back through the trunk; most such methods need no more than the inner
products of the tasks' gradients: a `GramianBalancer`.

Weights of tasks add up to the sum of the tasks' own weights, that is to the number of tasks where
none is given, as plain summed losses have it: another method does not silently mean another
learning rate. Methods whose magnitude is part of the method say so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.lazy import keras
from models.tasks.base import TaskTarget


class Balancer:
    """A method at work.

    variables: the method's state. Trainable ones follow the gradient of the scalar that is
        minimised, by the model's optimizer; checkpoints hold all of them.
    """

    def __init__(self) -> None:
        self.variables: list[keras.Variable] = []

    def new_epoch(self) -> None:
        """An epoch is over, or none has begun; called once or more between two epochs."""


class LossBalancer(Balancer, ABC):
    """From a vector of losses to the scalar that training minimises."""

    @abstractmethod
    def __call__(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        """The scalar to differentiate, in `keras.ops`.

        Args:
            losses: float32 [tasks], mean over the batch's labelled rows; 0 where there are none.
            present: float32 [tasks], 1 if any row of the batch carries the task's label, else 0. A
                task that is absent takes no part: it adds nothing and none of its state moves.
        """


class HindsightBalancer(LossBalancer):
    """A method that learns from what an update did: one forward pass more in every step."""

    @abstractmethod
    def after_update(
        self, before: keras.KerasTensor, after: keras.KerasTensor, present: keras.KerasTensor
    ) -> None:
        """Assign to the method's variables.

        Args:
            before: float32 [tasks], losses of a batch before the update.
            after: float32 [tasks], losses of the same batch after it.
            present: float32 [tasks], see `LossBalancer.__call__`.
        """


class Probe(ABC):
    """Looks at one batch from weights that a step might lead to, in inference mode. Half 0 of its
    rows is for learning, half 1 for judging. All float32.

    rate: the model's learning rate, that of the heads; a transfer mode may have a trunk go slower.
    """

    rate: keras.KerasTensor

    @abstractmethod
    def losses(self, half: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Losses and present tasks [tasks]: see `LossBalancer.__call__`."""

    @abstractmethod
    def gradients(self, half: int) -> keras.KerasTensor:
        """Of each task's loss, by all the model's parameters: [tasks, parameters]."""

    @abstractmethod
    def gradient(self, half: int, weights: keras.KerasTensor) -> keras.KerasTensor:
        """Of the weighted sum of the losses: [parameters], in one pass."""

    @abstractmethod
    def moved(self, by: keras.KerasTensor) -> AbstractContextManager[None]:
        """The model's parameters have `by` added within the context, and are as before after it."""


class TwoLevelBalancer(LossBalancer):
    """A method that learns, before a step, from what steps would do to rows they do not see."""

    @abstractmethod
    def look(self, probe: Probe) -> None:
        """Assign to the method's variables."""


@dataclass(frozen=True)
class TaskGradients:
    """What a method may look at in one step. All float32.

    losses, present: [tasks], see `LossBalancer`.
    gradients: [tasks, batch, features], of each task's loss by the shared representation; zeros
        for absent tasks. A task's own weight is not in them. By shared parameters, they are
        [tasks, 1, parameters].
    gramian: [tasks, tasks], inner products of the gradients.
    representation: [batch, features], the values at which the gradients were taken; None for
        parameters.
    """

    losses: keras.KerasTensor
    present: keras.KerasTensor
    gradients: keras.KerasTensor
    gramian: keras.KerasTensor
    representation: keras.KerasTensor | None


class GradientBalancer(Balancer, ABC):
    """From one gradient per task to the gradient of the shared representation.

    What lies behind the representation belongs to one task each, and follows the plain gradient of
    `objective`. Methods that are defined by inner products of gradients of shared *parameters* are
    not exact at the representation, which is where they stand for the gradients' upper bound
    (Sener and Koltun 2018, section 3.3); elementwise ones are another method there.

    variables: trainable ones follow the gradient of `objective`; `combine` may assign to others.
    task_weights: float32 [tasks], the tasks' own.
    """

    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__()
        self.task_weights = [float(t.task.weight) for t in targets]

    def prepare(self, features: int) -> None:
        """Add the variables whose shapes depend on the features of the representation, or on the
        number of shared parameters; once.
        """

    @property
    def sized(self) -> bool:
        """Whether it has such variables."""
        return type(self).prepare is not GradientBalancer.prepare

    def objective(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        """The scalar that towers and heads follow: see `LossBalancer.__call__`."""
        weights = present * keras.ops.convert_to_tensor(self.task_weights, "float32")
        return keras.ops.sum(weights * losses)

    @abstractmethod
    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor | None]:
        """The combined gradient [batch, features], and the weights [tasks] that made it, if any.

        A task that is absent takes no part: all is as it were without it, and none of its state
        moves. Larger task weights pull harder.
        """


class GramianBalancer(GradientBalancer):
    """A method that needs inner products alone: the tasks' gradients are weighted and summed."""

    @property
    def wanted(self) -> keras.KerasTensor:
        """The tasks' own weights, float64 [tasks]."""
        return keras.ops.convert_to_tensor(self.task_weights, "float64")

    @abstractmethod
    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Of the tasks' gradients, float64 [tasks].

        Args:
            gramian: float64 [tasks, tasks], so scaled that its diagonal is 1 on average over the
                tasks present.
            losses: float64 [tasks].
            present: float64 [tasks].
        """

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        ops = keras.ops
        gramian, losses, present = (
            ops.cast(t, "float64") for t in (tasks.gramian, tasks.losses, tasks.present)
        )
        gramian *= present[:, None] * present
        scale = ops.sum(ops.diagonal(gramian)) / ops.maximum(ops.sum(present), 1.0)
        gramian /= ops.where(scale > 0, scale, 1.0)
        weights = ops.where(present > 0, self.weights(gramian, losses, present), 0)
        weights = ops.cast(weights, "float32")
        return ops.tensordot(weights, tasks.gradients, 1), weights


class Balancing(ABC):
    """A balancing method: a frozen dataclass with a literal `name`, in a file of its own."""

    name: str

    def check(self, tasks: Collection[str]) -> None:  # noqa: B027 - most fit all tasks
        """Refuse tasks, given by name, that the method is not meant for.

        Raises:
            ValueError: the method names a task that there is not.
        """

    @abstractmethod
    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer | GradientBalancer:
        """A balancer for these tasks, in this order. It honours each task's own `weight`."""


def check_tasks(field: str, named: Collection[str], tasks: Collection[str]) -> None:
    """Refuse a parameter of a method that names a task that there is not.

    Raises:
        ValueError: see above.
    """
    for name in named:
        if name not in tasks:
            raise ValueError(
                f"model.balancing.{field}: no task {name!r}; expected some of {list(tasks)}"
            )


@dataclass(frozen=True, kw_only=True)
class GradientBalancing(Balancing):
    """A balancing method that looks at gradients.

    at: where it takes one gradient per task. At the `representation` that tasks share, a step costs
        one pass through the trunk whatever the number of tasks. At the shared `parameters`, where
        most papers take them, it costs a pass per task, and memory for as many gradients.
    """

    at: Literal["representation", "parameters"] = "representation"

    @abstractmethod
    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        """See `Balancing.build`."""


@dataclass(frozen=True, kw_only=True)
class GramianBalancing(GradientBalancing):
    """A balancing method that needs inner products of gradients alone.

    smoothing: how much of a task's last weight is kept: CR-MOGM, `models.balancing.math.smoothing`.
    """

    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @abstractmethod
    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        """See `Balancing.build`."""
