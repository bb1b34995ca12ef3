"""Methods that come down to one weight per task in each step."""

from __future__ import annotations

from abc import abstractmethod

from models.balancing.base import LossBalancer
from models.lazy import keras
from models.tasks.base import TaskTarget


class WeightedLosses(LossBalancer):
    """The weighted sum of the losses; in its derivative the weights are constants.

    Over the tasks present, weights add up to what the tasks' own weights add up to.
    """

    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__()
        self.task_weights = [float(t.task.weight) for t in targets]

    @abstractmethod
    def weights(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        """float32 [tasks], at least 0, to any scale; those of absent tasks are ignored.

        The tasks' own weights come on top. See `LossBalancer.__call__` for the arguments.
        """

    def __call__(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        ops = keras.ops
        own = present * ops.convert_to_tensor(self.task_weights, "float32")
        raw = own * self.weights(ops.stop_gradient(losses), present)
        scale = ops.sum(own) / ops.maximum(ops.sum(raw), 1e-30)
        return ops.sum(ops.stop_gradient(scale * raw) * losses)


def shares(logits: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
    """Softmax over the tasks present, float32 [tasks]: 0 for the others."""
    ops = keras.ops
    there = ops.where(present > 0, logits, -1e30)
    raw = present * ops.exp(there - ops.max(there))
    return raw / ops.maximum(ops.sum(raw), 1e-30)
