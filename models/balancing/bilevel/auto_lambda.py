"""Auto-lambda (Liu, James, Davison and Johns 2022, TMLR, arXiv:2202.03091, equations 4 to 6)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, BilevelBalancer, Lookahead, check_tasks
from models.balancing.math.state import keep_sum, task_variables
from models.balancing.math.weighted_sum import WeightedLosses
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget

DIFFERENCE_NORM = 0.01
"""Norm of the parameter shift in the finite difference, as in the official code."""


@dataclass(frozen=True, kw_only=True)
class AutoLambda(Balancing):
    """Chooses weights under which a training step most reduces the primary tasks' losses on
    held-out rows; the weight of a task that does not help the primary ones ends near 0.

    State: a weight per task. Costs, over half a batch, two more forward and backward passes.

    The derivative by the weights is the paper's finite difference. Differences from the paper: one
    half of each batch trains and the other validates, instead of two batches. A step is
    `learning_rate` times the derivative divided by its mean magnitude (scale-free, like Adam in the
    paper), after which the weights are scaled to sum to the number of tasks.

    primary: the tasks whose losses count; all tasks when empty.
    """

    name: Literal["auto_lambda"] = "auto_lambda"
    primary: tuple[str, ...] = ()
    learning_rate: Annotated[float, Field(gt=0)] = 0.01

    def check(self, tasks: Collection[str]) -> None:
        check_tasks("primary", self.primary, tasks)

    def build(self, targets: tuple[TaskTarget, ...]) -> BilevelBalancer:
        self.check([t.name for t in targets])
        is_primary = [float(not self.primary or t.name in self.primary) for t in targets]
        return AutoLambdaBalancer(targets, is_primary, self.learning_rate)


class AutoLambdaBalancer(WeightedLosses, BilevelBalancer):
    """learned: [tasks], the weights."""

    def __init__(
        self, targets: tuple[TaskTarget, ...], is_primary: list[float], learning_rate: float
    ) -> None:
        super().__init__(targets)
        self.is_primary, self.learning_rate = is_primary, learning_rate
        (self.learned,) = self.variables = task_variables(self.num_tasks, "learned", value=1.0)

    def weights(self, losses: Tensor, present: Tensor) -> Tensor:
        return keras.ops.convert_to_tensor(self.learned)

    def update_weights(self, lookahead: Lookahead) -> None:
        ops = keras.ops
        task_weights = self.task_weights()
        before = ops.convert_to_tensor(self.learned)
        step = lookahead.gradient(lookahead.TRAINING, task_weights * before)
        with lookahead.shifted(-lookahead.learning_rate * step):
            is_primary = ops.convert_to_tensor(self.is_primary, "float32")
            gradient = lookahead.gradient(lookahead.VALIDATION, task_weights * is_primary)
        norm = ops.sqrt(ops.sum(gradient**2))
        shift = gradient * DIFFERENCE_NORM / ops.maximum(norm, 1e-30)
        with lookahead.shifted(shift):
            ahead, present = lookahead.losses(lookahead.TRAINING)
        with lookahead.shifted(-shift):
            behind, _ = lookahead.losses(lookahead.TRAINING)
        # Up to a positive constant, minus the derivative of the validation loss by the weights.
        gain = present * task_weights * (ahead - behind) * norm
        mean = ops.sum(ops.abs(gain)) / ops.maximum(ops.sum(present), 1.0)
        gain /= ops.where(mean > 0, mean, 1.0)
        self.learned.assign(keep_sum(before, before + self.learning_rate * gain, present))
