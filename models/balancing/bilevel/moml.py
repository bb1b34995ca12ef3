"""MOML: multi-objective meta learning (Ye et al. 2021, NeurIPS, section 5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, BilevelBalancer, Lookahead
from models.balancing.math.newton import minimize_on_simplex
from models.balancing.math.state import task_variables
from models.balancing.math.weighted_sum import WeightedLosses, softmax_over_present
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class MOML(Balancing):
    """Chooses weights under which a training step reduces every task's loss on held-out rows: MGDA
    over the weights instead of the parameters.

    The weights are a softmax of logits, which follow the negative min-norm point of the normalised
    derivatives of each task's validation loss after a trial step. State: a logit per task. Costs,
    over half a batch, two backward passes per task and memory for as many gradients.

    Differences from the paper: one half of each batch trains and the other validates, instead of a
    validation set; one inner step.
    """

    name: Literal["moml"] = "moml"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01

    def build(self, targets: tuple[TaskTarget, ...]) -> BilevelBalancer:
        return MOMLBalancer(targets, self.learning_rate)


class MOMLBalancer(WeightedLosses, BilevelBalancer):
    """logits: [tasks]."""

    def __init__(self, targets: tuple[TaskTarget, ...], learning_rate: float) -> None:
        super().__init__(targets)
        self.learning_rate = learning_rate
        (self.logits,) = self.variables = task_variables(self.num_tasks, "logits")

    def weights(self, losses: Tensor, present: Tensor) -> Tensor:
        return softmax_over_present(self.logits, present)

    def update_weights(self, lookahead: Lookahead) -> None:
        ops = keras.ops
        _, in_training = lookahead.losses(lookahead.TRAINING)
        _, in_validation = lookahead.losses(lookahead.VALIDATION)
        present = in_training * in_validation
        shares = softmax_over_present(self.logits, present)
        gradients = self.task_weights()[:, None] * lookahead.task_gradients(lookahead.TRAINING)
        scale = -lookahead.learning_rate * ops.sum(present)
        with lookahead.shifted(scale * ops.matmul(shares, gradients)):
            after = lookahead.task_gradients(lookahead.VALIDATION)
        by_share = -ops.matmul(after, ops.transpose(gradients))
        by_logit = shares * (by_share - ops.sum(shares * by_share, axis=1, keepdims=True))
        by_logit *= present[:, None]
        norms = ops.sqrt(ops.sum(by_logit**2, axis=1, keepdims=True))
        by_logit /= ops.where(norms > 0, norms, 1.0)
        gramian = ops.cast(ops.matmul(by_logit, ops.transpose(by_logit)), "float64")
        members = ops.cast(present, "float64")
        mixture = members * minimize_on_simplex(
            lambda x, _: (ops.matmul(gramian, x), gramian), members
        )
        step = ops.matmul(ops.cast(mixture, "float32"), by_logit)
        self.logits.assign_sub(self.learning_rate * step)
