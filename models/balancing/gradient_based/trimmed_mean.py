"""Trimmed mean (Yin et al. 2018, ICML, arXiv:1803.01498, definition 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class TrimmedMean(GradientBalancing):
    """In each coordinate, the mean of the tasks' gradients without the `trimmed` largest and the
    `trimmed` smallest values (at least the median is kept), times the number of tasks.

    A task's weight multiplies its gradient before trimming. There are no task weights to report. At
    the representation it is another method than at the parameters.
    """

    name: Literal["trimmed_mean"] = "trimmed_mean"
    trimmed: Annotated[int, Field(ge=0)] = 1

    def build(self, targets: tuple[TaskTarget, ...]) -> GradientBalancer:
        return TrimmedMeanBalancer(targets, self.trimmed)


class TrimmedMeanBalancer(GradientBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], trimmed: int) -> None:
        super().__init__(targets)
        self.trimmed = trimmed

    def combine(self, tasks: TaskGradients) -> tuple[Tensor, Tensor | None]:
        ops = keras.ops
        scaled = self.task_weights()[:, None, None] * tasks.gradients
        rows = ops.unstack(ops.where(tasks.present[:, None, None] > 0, scaled, -np.inf))
        ends = min(self.trimmed, len(rows))
        largest, rows = _remove_extremes(rows, ends, ops.maximum, ops.minimum)
        rows = [ops.where(row > -np.inf, row, np.inf) for row in rows]
        smallest, rows = _remove_extremes(rows, ends, ops.minimum, ops.maximum)
        kept = count = ops.sum(tasks.present)
        total = sum(map(_finite_or_zero, rows), ops.zeros_like(scaled[0]))
        for trimmed in range(ends):
            enough = count - 2 * trimmed > 2
            kept -= 2 * ops.cast(enough, "float32")
            for end in (*largest[trimmed : trimmed + 1], *smallest[trimmed : trimmed + 1]):
                total += ops.where(enough, 0, _finite_or_zero(end))
        return count * total / ops.maximum(kept, 1), None


def _remove_extremes(
    rows: list[Tensor], count: int, extreme: Callable[..., Tensor], opposite: Callable[..., Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The `count` most extreme values of the rows in each coordinate, and rows of what remains.

    extreme, opposite: elementwise maximum and minimum, or the other way round.
    """
    extremes: list[Tensor] = []
    while rows and len(extremes) < count:
        most, rest = rows[0], []
        for row in rows[1:]:
            rest.append(opposite(most, row))
            most = extreme(most, row)
        extremes.append(most)
        rows = rest
    return extremes, rows


def _finite_or_zero(row: Tensor) -> Tensor:
    return keras.ops.where(keras.ops.abs(row) < np.inf, row, 0)
