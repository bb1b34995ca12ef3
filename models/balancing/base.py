"""What a balancing method is: the losses of several tasks become one update of shared weights.

Methods differ in what they look at. Those built so far look at the vector of losses and give a
scalar to differentiate: a `LossBalancer`. Methods that look at the gradients of each task will be a
second kind of balancer; `models.train_step` already has the shared representation at hand, at
which it can take one gradient per task for the price of one pass through the trunk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from models.lazy import keras
from models.task import TaskTarget


class LossBalancer(ABC):
    """From a vector of losses to the scalar that training minimises.

    variables: the method's state. Trainable ones follow the gradient of the scalar, by the model's
        optimizer; checkpoints hold all of them.
    """

    def __init__(self) -> None:
        self.variables: list[keras.Variable] = []

    @abstractmethod
    def __call__(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        """The scalar to differentiate, in `keras.ops`.

        Args:
            losses: float32 [tasks], mean over the batch's labelled rows; 0 where there are none.
            present: float32 [tasks], 1 if any row of the batch carries the task's label, else 0. A
                task that is absent takes no part: it adds nothing and none of its state moves.
        """


class Balancing(ABC):
    """A balancing method: a frozen dataclass with a literal `name`, in a file of its own."""

    name: str

    @abstractmethod
    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        """A balancer for these tasks, in this order. It honours each task's own `weight`."""
