"""Trimmed mean (Yin et al. 2018, ICML, arXiv:1803.01498, definition 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.inputs import STRICT
from models.lazy import keras
from models.task import TaskTarget

NOTHING = 1e-3
"""Of a gradient that ties with others for being the largest, each loses a share."""


@dataclass(frozen=True, kw_only=True)
class TrimmedMean(GradientBalancing):
    """In each coordinate, the mean of the tasks' gradients without the `trimmed` largest and as
    many smallest, at least the median staying; times the number of tasks, as in plain training.

    A task's weight multiplies its gradient before. There are no weights to report. Elementwise, so
    another method at the representation than at the parameters.
    """

    __pydantic_config__ = STRICT
    name: Literal["trimmed_mean"] = "trimmed_mean"
    trimmed: Annotated[int, Field(ge=0)] = 1

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        """See `Balancing.build`."""
        return TrimmedMeanBalancer(targets, self.trimmed)


class TrimmedMeanBalancer(GradientBalancer):
    """See `TrimmedMean`."""

    def __init__(self, targets: tuple[TaskTarget, ...], trimmed: int) -> None:
        super().__init__(targets)
        self.trimmed = trimmed

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor | None]:
        """See `GradientBalancer.combine`."""
        ops = keras.ops
        wanted = ops.convert_to_tensor(self.task_weights, "float32")
        scaled = wanted[:, None, None] * tasks.gradients
        count = ops.sum(tasks.present)
        kept = tasks.present[:, None, None] * ops.ones_like(scaled)
        for trimmed in range(self.trimmed):
            enough = ops.cast(count - 2 * trimmed > 2, "float32")
            for extreme, beyond in ((ops.max, -np.inf), (ops.min, np.inf)):
                found = extreme(ops.where(kept > NOTHING, scaled, beyond), axis=0)
                ties = ops.cast((scaled == found) & (kept > NOTHING), "float32")
                kept -= enough * ties / ops.maximum(ops.sum(ties, axis=0), 1)
        left = ops.maximum(ops.sum(kept, axis=0), 1)
        return count * ops.sum(kept * scaled, axis=0) / left, None
