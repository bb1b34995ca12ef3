"""The model that Keras trains: parts, training step, figures of an epoch. Imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.balancing.base import Balancing, GradientBalancer
from models.inputs.base import Feature
from models.lazy import keras
from models.multitask.batch_losses import Tensors
from models.multitask.epoch_totals import EpochTotals
from models.multitask.parts import MultitaskParts
from models.multitask.train_step import test_step, train_step
from models.optimizers.weight_average import WeightAverage
from models.sharing.base import Sharing
from models.tasks.base import TaskTarget
from models.trunks.base import Trunk
from models.trunks.layers.fused_normalisation import fuse_normalisation
from models.trunks.layers.sparing_dropout import spare_random_bits

if TYPE_CHECKING:
    import tensorflow as tf


class MultitaskModel(MultitaskParts):
    """From {feature name: [batch, ...]} to {task name: raw outputs [batch, units]}.

    `answers` gives what is served. `fit` and `evaluate` take a dataset of (features, labels), both
    dicts. Their logs hold:

    - `loss`: the sum of the tasks' losses, each times its task's `weight`, on one scale for all
      balancing methods; `<task>_loss`; `<task>_<metric>`.
    - In training also `objective`, which the balancing method computes from the losses, and
      `<task>_weight`: its derivative with respect to the task's loss or, in methods that balance
      gradients, the factor of the task's gradient. Those methods add `<task>_gradient_norm`,
      `gradient_cosine` and `conflict_rate`: see `models.multitask.gradient_step`.
    """

    def __init__(
        self,
        features: tuple[Feature, ...],
        targets: tuple[TaskTarget, ...],
        trunk: Trunk,
        sharing: Sharing,
        balancing: Balancing,
        experts: tuple[str, ...] = (),
    ) -> None:
        super().__init__(features, targets, trunk, sharing, balancing, experts)
        self.totals = EpochTotals(self.heads, isinstance(self.balancer, GradientBalancer))
        self.average: WeightAverage | None = None
        fuse_normalisation(self)
        spare_random_bits(self)

    def train_step(self, data: tuple[Tensors, Tensors]) -> dict[str, tf.Tensor]:
        logs = train_step(self, self.totals, *data)
        if self.average is not None:
            self.average.after_step()
        return logs

    def test_step(self, data: tuple[Tensors, Tensors]) -> dict[str, tf.Tensor]:
        return test_step(self, self.totals, *data)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Only the totals, which hold the figures of every task."""
        return [self.totals]

    def reset_metrics(self) -> None:
        """Keras calls this at the beginning of an epoch and of validation."""
        super().reset_metrics()
        self.balancer.new_epoch()

    def _get_metrics_result_or_logs(self, logs: Mapping[str, float]) -> dict[str, float]:
        """Read the metrics once an epoch, not in every step as Keras would."""
        results: dict[str, float] = self.get_metrics_result()
        return results
