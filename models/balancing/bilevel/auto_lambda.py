"""Auto-lambda (Liu, James, Davison and Johns 2022, TMLR, arXiv:2202.03091, equations 4 to 6)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, Probe, TwoLevelBalancer, check_tasks
from models.balancing.math.weighted_sum import WeightedLosses
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget

REACH = 0.01
"""Length of the steps of the finite difference, as in the authors' code."""
SMALLEST = 1e-6


@dataclass(frozen=True, kw_only=True)
class AutoLambda(Balancing):
    """Weights under which a step on some rows lowers the primary tasks' losses on others most.

    The derivative by the weights is the paper's finite difference. Half of every batch is learned
    from and the other half judges; the paper takes two batches. The weights take steps of
    `learning_rate` times the derivative divided by its mean size, which makes the rate free of
    scale, as Adam is in the paper, and then add up to the number of tasks. It tells which tasks
    help the primary ones: a task that does not ends near 0. State: a weight per task. Costs two
    backward passes and two forward passes over half a batch, more than plain training.

    primary: tasks that count; all where none is named.
    """

    __pydantic_config__ = STRICT
    name: Literal["auto_lambda"] = "auto_lambda"
    primary: tuple[str, ...] = ()
    learning_rate: Annotated[float, Field(gt=0)] = 0.01

    def check(self, tasks: Collection[str]) -> None:
        check_tasks("primary", self.primary, tasks)

    def build(self, targets: tuple[TaskTarget, ...]) -> TwoLevelBalancer:
        self.check([t.name for t in targets])
        counts = [float(not self.primary or t.name in self.primary) for t in targets]
        return AutoLambdaBalancer(targets, counts, self.learning_rate)


class AutoLambdaBalancer(WeightedLosses, TwoLevelBalancer):
    """See `AutoLambda`. learned: [tasks]."""

    def __init__(
        self, targets: tuple[TaskTarget, ...], counts: list[float], learning_rate: float
    ) -> None:
        super().__init__(targets)
        self.counts, self.learning_rate = counts, learning_rate
        self.learned = keras.Variable(
            keras.ops.ones((len(targets),)), trainable=False, name="learned"
        )
        self.variables = [self.learned]

    def weights(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        return keras.ops.convert_to_tensor(self.learned)

    def look(self, probe: Probe) -> None:
        ops = keras.ops
        own = ops.convert_to_tensor(self.task_weights, "float32")
        before = ops.convert_to_tensor(self.learned)
        with probe.moved(-probe.rate * probe.gradient(0, own * before)):
            judged = probe.gradient(1, own * ops.convert_to_tensor(self.counts, "float32"))
        length = ops.sqrt(ops.sum(judged**2))
        step = judged * REACH / ops.maximum(length, 1e-30)
        with probe.moved(step):
            ahead, present = probe.losses(0)
        with probe.moved(-step):
            behind, _ = probe.losses(0)
        gain = present * own * (ahead - behind) * length  # times constants: minus the derivative
        size = ops.sum(ops.abs(gain)) / ops.maximum(ops.sum(present), 1.0)
        gain /= ops.where(size > 0, size, 1.0)
        after = ops.maximum(before + self.learning_rate * gain, SMALLEST)
        kept = ops.sum(present * before) / ops.maximum(ops.sum(present * after), SMALLEST)
        self.learned.assign(ops.where(present > 0, after * kept, before))
