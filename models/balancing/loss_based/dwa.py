"""Dynamic weight average (Liu, Johns and Davison 2019, CVPR, arXiv:1803.10704, equation 7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, LossBalancer
from models.balancing.math.state import EpochMeans, task_variables
from models.balancing.math.weighted_sum import WeightedLosses, softmax_over_present
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class DWA(Balancing):
    """Gives more weight to tasks whose loss falls slowly.

    Weights are a softmax over the ratios of each task's mean losses in the last two epochs; equal
    in the first two. At the paper's temperature they stay near 1, so the method changes little when
    all losses fall alike. State: mean losses per task. No additional cost.

    temperature: of the softmax; higher values give more equal weights.
    """

    name: Literal["dwa"] = "dwa"
    temperature: Annotated[float, Field(gt=0)] = 2.0

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return DWABalancer(targets, self.temperature)


class DWABalancer(WeightedLosses):
    """A task without labels in an epoch keeps its ratio.

    last, before: [tasks], mean losses of the last epoch and of the epoch before it; 0 until known.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], temperature: float) -> None:
        super().__init__(targets)
        self.temperature = temperature
        self.means = EpochMeans(self.num_tasks)
        self.last, self.before = task_variables(self.num_tasks, "last_losses", "losses_before")
        self.variables = [*self.means.variables, self.last, self.before]

    def weights(self, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        self.means.add(losses, present)
        ratios = ops.where(self.before > 0, self.last / ops.maximum(self.before, 1e-30), 1.0)
        return softmax_over_present(ratios / self.temperature, present)

    def new_epoch(self) -> None:
        means, had_labels = self.means.take_and_reset()
        ops = keras.ops
        last, before = (ops.convert_to_tensor(v) for v in (self.last, self.before))
        self.before.assign(ops.where(had_labels, last, before))
        self.last.assign(ops.where(had_labels, means, last))
