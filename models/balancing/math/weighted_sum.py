"""Weights of losses: base class of the methods that compute one weight per task and step."""

from __future__ import annotations

from abc import abstractmethod

from models.balancing.base import LossBalancer
from models.lazy import Tensor, keras


class WeightedLosses(LossBalancer):
    """The weighted sum of the losses, whose weights are constants when it is differentiated.

    The weights of the present tasks are scaled to the sum of these tasks' own weights.
    """

    @abstractmethod
    def weights(self, losses: Tensor, present: Tensor) -> Tensor:
        """float32 [tasks], non-negative, at any scale, before the tasks' own weights are applied;
        values of absent tasks are ignored. Arguments: see `LossBalancer.__call__`.
        """

    def __call__(self, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        task_weights = present * self.task_weights()
        unscaled = task_weights * self.weights(ops.stop_gradient(losses), present)
        scale = ops.sum(task_weights) / ops.maximum(ops.sum(unscaled), 1e-30)
        return ops.sum(ops.stop_gradient(scale * unscaled) * losses)


def scaled_to_sum(weights: Tensor, total: Tensor) -> Tensor:
    """Non-negative weights [tasks], scaled to sum to `total`."""
    return weights * total / keras.ops.maximum(keras.ops.sum(weights), 1e-30)


def softmax_over_present(logits: Tensor, present: Tensor) -> Tensor:
    """Softmax over the present tasks, float32 [tasks]; 0 for absent tasks."""
    ops = keras.ops
    masked = ops.where(present > 0, ops.convert_to_tensor(logits), -1e30)
    unscaled = present * ops.exp(masked - ops.max(masked))
    return unscaled / ops.maximum(ops.sum(unscaled), 1e-30)
