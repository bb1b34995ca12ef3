"""Smooth Tchebycheff scalarisation (Lin et al. 2024, ICML, arXiv:2402.19078).

In place of the largest of the tasks' objectives f, which has kinks, the smooth
mu log(sum exp(f / mu)), with f = log(loss / reference) as in the authors' multitask code. The
reference is the task's mean loss over the last epoch of a warm-up, in which the sum of the
logarithms is minimised. State: the means. No other cost. It helps where the worst task matters.
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

TINY = 1e-8


@dataclass(frozen=True, kw_only=True)
class STCH(Balancing):
    """Follows the tasks that are worst, relative to where the warm-up left them.

    mu: towards 0 the worst task alone counts. At 1, the default of the authors' code, the direction
        is that of the plain sum of loss / reference; above, it goes towards that of the logarithms.
    warmup_epochs: at least 1, which gives the reference; the authors take 4 before it.

    The direction is the formula's; its length is set so that the weights add up as in plain
    training.
    """

    __pydantic_config__ = STRICT
    name: Literal["stch"] = "stch"
    mu: Annotated[float, Field(gt=0)] = 0.5
    warmup_epochs: Annotated[int, Field(ge=1)] = 1

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return STCHBalancer(targets, self.mu, self.warmup_epochs)


class STCHBalancer(WeightedLosses):
    """See `STCH`. A task first seen after the warm-up has its reference from its first epoch.

    references: [tasks], 0 before they are known. epochs: [tasks], those in which the task had a
        label.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], mu: float, warmup_epochs: int) -> None:
        super().__init__(targets)
        self.mu, self.warmup_epochs = mu, warmup_epochs
        self.means = EpochMeans(len(targets))
        self.references, self.epochs = (
            keras.Variable(keras.ops.zeros((len(targets),)), trainable=False, name=name)
            for name in ("references", "epochs")
        )
        self.variables = [*self.means.variables, self.references, self.epochs]

    def weights(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        ops = keras.ops
        self.means.add(losses, present)
        known = self.references > 0
        f = ops.log((losses + TINY) / ops.where(known, self.references + TINY, losses + TINY))
        logits = ops.where(known, f / self.mu, 0.0) - ops.log(losses + TINY)
        return shares(logits, present)

    def new_epoch(self) -> None:
        ops = keras.ops
        means, seen = self.means.take()
        self.epochs.assign_add(ops.cast(seen, "float32"))
        ends = seen & (self.epochs == self.warmup_epochs)
        self.references.assign(ops.where(ends, means, self.references))
