"""MoDo (Chen, Fernando, Ying and Chen 2023, NeurIPS, arXiv:2305.20057, equation 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.math.simplex import onto_simplex
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class MoDo(GramianBalancing):
    """Weights that take one projected step per batch towards the shortest combination of gradients:
    MGDA, slowly, which keeps it from following the noise of a batch.

    Inner products are those of one batch, relative to their mean size so that `learning_rate` has
    no unit; the paper takes them between two batches. Not exact at the representation. A task's own
    weight multiplies its learned one. State: a weight per task.

    learning_rate: the paper's gamma. decay: its rho, which draws weights together.
    """

    __pydantic_config__ = STRICT
    name: Literal["modo"] = "modo"
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    decay: Annotated[float, Field(ge=0)] = 0.1

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return MoDoBalancer(targets, self.learning_rate, self.decay)


class MoDoBalancer(GramianBalancer):
    """See `MoDo`. learned: float32 [tasks], on the simplex."""

    def __init__(self, targets: tuple[TaskTarget, ...], rate: float, decay: float) -> None:
        super().__init__(targets)
        self.rate, self.decay = rate, decay
        even = keras.ops.full((len(targets),), 1 / len(targets))
        self.learned = keras.Variable(even, trainable=False, name="learned")
        self.variables = [self.learned]

    def weights(
        self, gramian: keras.KerasTensor, losses: keras.KerasTensor, present: keras.KerasTensor
    ) -> keras.KerasTensor:
        ops = keras.ops
        before = ops.cast(self.learned, "float64")
        after = stepped(before, gramian, present, self.rate, self.decay)
        self.learned.assign(ops.cast(after, "float32"))
        raw = present * self.wanted * after
        return raw * ops.sum(present * self.wanted) / ops.maximum(ops.sum(raw), 1e-30)


def stepped(
    weights: keras.KerasTensor,
    gramian: keras.KerasTensor,
    present: keras.KerasTensor,
    rate: float | keras.KerasTensor,
    decay: float,
) -> keras.KerasTensor:
    """Weights [tasks] after a projected step down `weights @ (gramian + decay) @ weights / 2`.

    Those of absent tasks stay, and so does what the others add up to.
    """
    ops = keras.ops
    total = ops.maximum(ops.sum(present * weights), 1e-30)
    shares = present * weights / total
    slope = ops.matmul(gramian, shares) + decay * shares
    moved = onto_simplex(shares - rate * slope, present)
    return ops.where(present > 0, total * moved, weights)
