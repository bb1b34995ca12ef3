"""Dynamic weight average (Liu, Johns and Davison 2019, CVPR, arXiv:1803.10704, equation 7).

A task's weight grows with the ratio of its mean losses over the last two epochs: tasks whose loss
falls slowly count more. State: mean losses by task. No other cost. The weights of an epoch are
constant, and near 1 at the paper's temperature; it helps little where losses fall alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, LossBalancer
from models.balancing.math.epoch_means import EpochMeans
from models.balancing.math.weighted_sum import WeightedLosses, shares
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class DWA(Balancing):
    """Weights by how fast each loss fell from one epoch to the next; equal in the first two epochs.

    temperature: the higher, the more alike the weights.
    """

    __pydantic_config__ = STRICT
    name: Literal["dwa"] = "dwa"
    temperature: Annotated[float, Field(gt=0)] = 2.0

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return DWABalancer(targets, self.temperature)


class DWABalancer(WeightedLosses):
    """See `DWA`. An epoch in which a task has no label leaves its ratio as it was.

    last, before: [tasks], mean losses of the last epoch and of the one before; 0 before there is
        one.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], temperature: float) -> None:
        super().__init__(targets)
        self.temperature = temperature
        self.means = EpochMeans(len(targets))
        self.last, self.before = (
            keras.Variable(keras.ops.zeros((len(targets),)), trainable=False, name=name)
            for name in ("last_losses", "losses_before")
        )
        self.variables = [*self.means.variables, self.last, self.before]

    def weights(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        ops = keras.ops
        self.means.add(losses, present)
        ratios = ops.where(self.before > 0, self.last / ops.maximum(self.before, 1e-30), 1.0)
        return shares(ratios / self.temperature, present)

    def new_epoch(self) -> None:
        means, seen = self.means.take()
        self.before.assign(keras.ops.where(seen, self.last, self.before))
        self.last.assign(keras.ops.where(seen, means, self.last))
