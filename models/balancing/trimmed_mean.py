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
        there = tasks.present[:, None, None] > 0
        ordered = ops.sort(ops.where(there, scaled, np.inf), axis=0)
        count = ops.sum(tasks.present)
        trimmed = ops.clip(ops.floor((count - 1) / 2), 0, float(self.trimmed))
        ranks = ops.arange(len(self.task_weights), dtype="float32")[:, None, None]
        kept = (ranks >= trimmed) & (ranks < count - trimmed)
        share = count / ops.maximum(count - 2 * trimmed, 1)
        return share * ops.sum(ops.where(kept, ordered, 0), axis=0), None
