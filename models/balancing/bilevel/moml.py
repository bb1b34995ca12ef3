"""MOML: multi-objective meta learning (Ye et al. 2021, NeurIPS, section 5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, Probe, TwoLevelBalancer
from models.balancing.math.newton import on_simplex
from models.balancing.math.weighted_sum import WeightedLosses, shares
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class MOML(Balancing):
    """Weights under which a step on some rows lowers every task's loss on others: MGDA over the
    weights instead of over the parameters.

    Weights are a softmax of logits. The derivatives of all tasks' losses after a step, by the
    logits, are brought to one length, and the logits go down their shortest convex combination.
    Half of every batch is learned from and the other half judges, where the paper has a validation
    set; one inner step. State: a logit per task. Costs, over half a batch, two backward passes per
    task, and memory for as many gradients.
    """

    __pydantic_config__ = STRICT
    name: Literal["moml"] = "moml"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01

    def build(self, targets: tuple[TaskTarget, ...]) -> TwoLevelBalancer:
        return MOMLBalancer(targets, self.learning_rate)


class MOMLBalancer(WeightedLosses, TwoLevelBalancer):
    """See `MOML`. logits: [tasks]."""

    def __init__(self, targets: tuple[TaskTarget, ...], learning_rate: float) -> None:
        super().__init__(targets)
        self.learning_rate = learning_rate
        self.logits = keras.Variable(
            keras.ops.zeros((len(targets),)), trainable=False, name="logits"
        )
        self.variables = [self.logits]

    def weights(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        return shares(self.logits, present)

    def look(self, probe: Probe) -> None:
        ops = keras.ops
        _, learned = probe.losses(0)
        _, judged = probe.losses(1)
        present = learned * judged
        own = ops.convert_to_tensor(self.task_weights, "float32")
        share = shares(self.logits, present)
        steps = own[:, None] * probe.gradients(0)
        with probe.moved(-probe.rate * ops.sum(present) * ops.matmul(share, steps)):
            after = probe.gradients(1)
        by_share = -ops.matmul(after, ops.transpose(steps))
        by_logit = share * (by_share - ops.sum(share * by_share, axis=1, keepdims=True))
        by_logit *= present[:, None]
        length = ops.sqrt(ops.sum(by_logit**2, axis=1, keepdims=True))
        by_logit /= ops.where(length > 0, length, 1.0)
        gramian = ops.cast(ops.matmul(by_logit, ops.transpose(by_logit)), "float64")
        members = ops.cast(present, "float64")
        mixture = members * on_simplex(lambda x, _: (ops.matmul(gramian, x), gramian), members)
        self.logits.assign_sub(
            self.learning_rate * ops.matmul(ops.cast(mixture, "float32"), by_logit)
        )
