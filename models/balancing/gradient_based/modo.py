"""MoDo (Chen, Fernando, Ying and Chen 2023, NeurIPS, arXiv:2305.20057, equation 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.simplex import min_norm_step
from models.balancing.math.state import task_variables
from models.balancing.math.weighted_sum import scaled_to_sum
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class MoDo(GramianBalancing):
    """MGDA in small steps: the weights take one projected step per batch towards the min-norm point
    of the gradients, so that they do not follow the noise of a batch. State: a weight per task.

    Differences from the paper: inner products are those of one batch, not between two batches, and
    are divided by their mean magnitude, so `learning_rate` does not depend on scale. A task's own
    weight multiplies its learned weight. Not exact at the representation.

    learning_rate: the paper's gamma. decay: the paper's rho, which pulls the weights together.
    """

    name: Literal["modo"] = "modo"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    decay: Annotated[float, Field(ge=0)] = 0.1

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return MoDoBalancer(targets, self.learning_rate, self.decay)


class MoDoBalancer(GramianBalancer):
    """learned: [tasks], on the simplex."""

    def __init__(self, targets: tuple[TaskTarget, ...], learning_rate: float, decay: float) -> None:
        super().__init__(targets)
        self.learning_rate, self.decay = learning_rate, decay
        self.variables = task_variables(self.num_tasks, "learned", value=1 / self.num_tasks)
        (self.learned,) = self.variables

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        before = ops.cast(self.learned, "float64")
        after = min_norm_step(before, gramian, present, self.learning_rate, self.decay)
        self.learned.assign(ops.cast(after, "float32"))
        task_weights = present * self.task_weights("float64")
        return scaled_to_sum(task_weights * after, ops.sum(task_weights))
