"""GradNorm (Chen et al. 2018, ICML, arXiv:1711.02257, equations 1 and 2 and algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.state import SMALLEST, keep_sum, task_variables
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class GradNorm(GramianBalancing):
    """Learns task weights that keep the norms of the weighted gradients near a common value. A
    task's own weight multiplies its learned weight.

    Each task's goal is the common value times (its loss relative to its first loss, relative to the
    mean of all tasks) ** alpha, so that tasks that lag behind get larger gradients. Differences
    from the paper: norms are taken at the shared representation, not at the weights of the last
    shared layer. The weights take steps of `learning_rate` down the paper's L_grad divided by the
    mean norm (scale-free, like Adam in the paper) and are scaled to keep their sum.

    alpha: 0 asks for equal norms; larger values favour lagging tasks more.
    """

    name: Literal["gradnorm"] = "gradnorm"
    alpha: Annotated[float, Field(ge=0)] = 1.5
    learning_rate: Annotated[float, Field(gt=0)] = 0.025

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return GradNormBalancer(targets, self.alpha, self.learning_rate)


class GradNormBalancer(GramianBalancer):
    """learned: [tasks], the learned weights. first_losses: [tasks], 0 until known."""

    def __init__(self, targets: tuple[TaskTarget, ...], alpha: float, learning_rate: float) -> None:
        super().__init__(targets)
        self.alpha, self.learning_rate = alpha, learning_rate
        (self.learned,) = task_variables(self.num_tasks, "learned", value=1.0)
        (self.first_losses,) = task_variables(self.num_tasks, "first_losses")
        self.variables = [self.learned, self.first_losses]

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        before = ops.cast(self.learned, "float64")
        first = ops.cast(self.first_losses, "float64")
        first = ops.where((first == 0) & (present > 0), losses, first)
        norms = present * ops.sqrt(ops.maximum(ops.diagonal(gramian), 0))
        count = ops.maximum(ops.sum(present), 1)
        progress = present * losses / ops.where(first > 0, first, 1)
        lag = progress * count / ops.maximum(ops.sum(progress), SMALLEST)
        goal = ops.sum(before * norms) / count * lag**self.alpha
        direction = ops.sign(before * norms - goal)
        slope = direction * norms * count / ops.maximum(ops.sum(norms), SMALLEST)
        after = keep_sum(before, before - self.learning_rate * present * slope, present)
        self.learned.assign(ops.cast(after, "float32"))
        self.first_losses.assign(ops.cast(first, "float32"))
        return self.task_weights("float64") * before
