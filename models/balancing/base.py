"""Interfaces of balancing methods: they turn the losses of several tasks into one update.

A `LossBalancer` reads the vector of losses and returns the scalar to minimise; a
`HindsightBalancer` also reads the losses of the same batch after the update, and a
`BilevelBalancer` losses and gradients on held-out rows after a hypothetical update. A
`GradientBalancer` reads one gradient per task at a tensor that the tasks share and returns the
combined gradient, which is backpropagated through the trunk; a `GramianBalancer` reads only the
inner products of these gradients and returns one weight per task.

Balancing weights sum to the sum of the tasks' own weights (`weight` in the spec, 1 by default), as
they do when losses are simply added. So changing the method does not silently change the effective
learning rate. A method whose magnitude is part of its definition says so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


class Balancer:
    """A balancing method with its state, built for the tasks of one model.

    variables: the state, stored in checkpoints. The model's optimizer updates the trainable ones
        with the gradient of the minimised scalar.
    """

    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        self.num_tasks = len(targets)
        self.variables: list[keras.Variable] = []
        self._task_weights = [float(t.task.weight) for t in targets]

    def task_weights(self, dtype: str = "float32") -> Tensor:
        """The tasks' own weights from the spec, [tasks]."""
        return keras.ops.convert_to_tensor(self._task_weights, dtype)

    def new_epoch(self) -> None:
        """Called between epochs and before the first; may be called several times in a row."""

    def notes(self) -> list[str]:
        """Warnings for the user about the steps so far."""
        return []


class LossBalancer(Balancer, ABC):
    """Combines a vector of losses into the scalar to minimise."""

    @abstractmethod
    def __call__(self, losses: Tensor, present: Tensor) -> Tensor:
        """The scalar to differentiate, computed with `keras.ops`.

        Args:
            losses: float32 [tasks], mean over the labelled rows of the batch; 0 without such rows.
            present: float32 [tasks], 1 for tasks with a labelled row in the batch, else 0: such a
                task contributes nothing, and its state does not change.
        """


class HindsightBalancer(LossBalancer):
    """A method that learns from the effect of the update: one extra forward pass per step."""

    @abstractmethod
    def after_update(self, before: Tensor, after: Tensor, present: Tensor) -> None:
        """Update the method's variables.

        Args:
            before: float32 [tasks], losses of a batch before the update.
            after: float32 [tasks], losses of the same batch after the update.
            present: float32 [tasks], see `LossBalancer.__call__`.
        """


class Lookahead(ABC):
    """Evaluates a batch at hypothetical (look-ahead) parameters, in inference mode, in float32.

    The method takes trial steps on the training half of its rows and evaluates them on the
    validation half. learning_rate: of the heads; a transfer mode may train the trunk more slowly.
    """

    TRAINING, VALIDATION = 0, 1
    learning_rate: Tensor

    @abstractmethod
    def losses(self, half: int) -> tuple[Tensor, Tensor]:
        """Losses [tasks] and present tasks [tasks], see `LossBalancer.__call__`."""

    @abstractmethod
    def task_gradients(self, half: int) -> Tensor:
        """Gradient of each task's loss by all model parameters: [tasks, parameters]."""

    @abstractmethod
    def gradient(self, half: int, weights: Tensor) -> Tensor:
        """Gradient of the weighted sum of the losses, in one backward pass: [parameters]."""

    @abstractmethod
    def shifted(self, by: Tensor) -> AbstractContextManager[None]:
        """Add `by` [parameters] to the model parameters inside the context; restore them after."""


class BilevelBalancer(LossBalancer):
    """A method that chooses its weights by their effect on held-out rows (bilevel optimisation)."""

    @abstractmethod
    def update_weights(self, lookahead: Lookahead) -> None:
        """Update the method's variables; called before each training step."""


@dataclass(frozen=True)
class TaskGradients:
    """What a gradient-based method may read in one step. All tensors are float32.

    losses, present: [tasks], see `LossBalancer`.
    gradients: of each task's loss, without the task's own weight, by the shared representation
        [tasks, batch, features] or the shared parameters [tasks, 1, parameters]; 0 if absent.
    gramian: [tasks, tasks], inner products of the gradients.
    representation: [batch, features], where the gradients were taken; None for parameters.
    over_replicas: sums what was summed over the rows of one replica over all replicas.

    With several replicas, `gradients` at the representation and the result of `combine` are those
    of one replica's rows; everything else is of the whole batch. A method must use `sum_over_rows`.
    """

    losses: Tensor
    present: Tensor
    gradients: Tensor
    gramian: Tensor
    representation: Tensor | None
    over_replicas: Callable[[Tensor], Tensor] = lambda x: x

    def sum_over_rows(self, x: Tensor) -> Tensor:
        """The sum of x [tasks, batch, features] over all rows of the batch: [tasks, features]."""
        return self.over_replicas(keras.ops.sum(x, axis=1))

    def weighted_sum(self, weights: Tensor) -> Tensor:
        """The gradients weighted by float32 [tasks] and summed: [batch, features]."""
        return keras.ops.tensordot(weights, self.gradients, 1)


class GradientBalancer(Balancer, ABC):
    """Combines one gradient per task into the gradient of the shared representation.

    The layers after the representation, and trainable `variables`, follow the plain gradient of
    `objective`; `combine` may assign the other variables. A method that is defined by inner
    products of gradients of shared *parameters* is not exact at the representation: it works on an
    upper bound of the gradients' norms there (Sener and Koltun 2018, section 3.3). Elementwise
    methods are different methods at the representation.
    """

    def prepare(self, features: int) -> None:
        """Create the variables whose shape depends on the number of features (of the
        representation, or shared parameters). Called once.
        """

    @property
    def needs_feature_count(self) -> bool:
        """Whether the method has variables that `prepare` creates."""
        return type(self).prepare is not GradientBalancer.prepare

    def objective(self, losses: Tensor, present: Tensor) -> Tensor:
        """The scalar that towers and heads minimise: see `LossBalancer.__call__`."""
        return keras.ops.sum(present * self.task_weights() * losses)

    @abstractmethod
    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor | None]:
        """The combined gradient [batch, features] and its task weights [tasks], if it has any.

        The result is as if absent tasks were excluded, and their state does not change. A larger
        task weight gives a task more influence.
        """


class GramianBalancer(GradientBalancer):
    """A method that needs inner products only: it returns a weighted sum of the gradients."""

    @abstractmethod
    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        """Weights of the tasks' gradients, float64 [tasks].

        Args:
            gramian: float64 [tasks, tasks]; the mean of its diagonal over the present tasks is 1.
            losses: float64 [tasks].
            present: float64 [tasks].
        """

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor]:
        ops = keras.ops
        tensors = tasks.gramian, tasks.losses, tasks.present
        gramian, losses, present = (ops.cast(t, "float64") for t in tensors)
        gramian *= present[:, None] * present
        scale = ops.sum(ops.diagonal(gramian)) / ops.maximum(ops.sum(present), 1.0)
        gramian /= ops.where(scale > 0, scale, 1.0)
        weights = ops.where(present > 0, self.weights(gramian, losses, present), 0)
        weights = ops.cast(weights, "float32")
        return tasks.weighted_sum(weights), weights


class Balancing(ABC):
    """The spec of a balancing method: a frozen dataclass with a literal `name`, one per file."""

    __pydantic_config__ = STRICT
    name: str

    def check(self, tasks: Collection[str]) -> None:  # noqa: B027 - most methods accept any tasks
        """Check the method's parameters against the names of the tasks.

        Raises:
            ValueError: a parameter names an unknown task.
        """

    @abstractmethod
    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer | GradientBalancer:
        """A balancer for these tasks, in this order. It respects each task's own `weight`."""


def check_tasks(field: str, names: Collection[str], tasks: Collection[str]) -> None:
    """Check that every name in a parameter of a method is a task.

    Raises:
        ValueError: a name is unknown.
    """
    for name in names:
        if name not in tasks:
            known = list(tasks)
            raise ValueError(f"model.balancing.{field}: no task {name!r}; expected some of {known}")


@dataclass(frozen=True, kw_only=True)
class GradientBalancing(Balancing):
    """The spec of a method that reads gradients.

    at: where the gradient of each task is taken. At the shared `representation` a step needs one
        backward pass through the trunk. At the shared `parameters`, as in most papers, it needs one
        pass per task and memory for one gradient per task.
    """

    at: Literal["representation", "parameters"] = "representation"

    @abstractmethod
    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer: ...


@dataclass(frozen=True, kw_only=True)
class GramianBalancing(GradientBalancing):
    """The spec of a method that reads only inner products of gradients.

    smoothing: moving average of the task weights (CR-MOGM, `models.balancing.math.smoothing`): the
        share of the previous weight that is kept. 0 is no smoothing.
    """

    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @abstractmethod
    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer: ...
