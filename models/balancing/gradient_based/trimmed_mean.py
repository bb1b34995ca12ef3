"""Trimmed mean (Yin et al. 2018, ICML, arXiv:1803.01498, definition 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from models.balancing.base import GradientBalancer, GradientBalancing, TaskGradients
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


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
        return TrimmedMeanBalancer(targets, self.trimmed)


class TrimmedMeanBalancer(GradientBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], trimmed: int) -> None:
        super().__init__(targets)
        self.trimmed = trimmed

    def combine(self, tasks: TaskGradients) -> tuple[keras.KerasTensor, keras.KerasTensor | None]:
        ops = keras.ops
        wanted = ops.convert_to_tensor(self.task_weights, "float32")
        scaled = wanted[:, None, None] * tasks.gradients
        rows = ops.unstack(ops.where(tasks.present[:, None, None] > 0, scaled, -np.inf))
        ends = min(self.trimmed, len(rows))
        largest, rows = _taken(rows, ends, ops.maximum, ops.minimum)
        rows = [ops.where(row > -np.inf, row, np.inf) for row in rows]
        smallest, rows = _taken(rows, ends, ops.minimum, ops.maximum)
        left = count = ops.sum(tasks.present)
        total = sum(map(_present, rows), ops.zeros_like(scaled[0]))
        for trimmed in range(ends):
            enough = count - 2 * trimmed > 2
            left -= 2 * ops.cast(enough, "float32")
            for end in (*largest[trimmed : trimmed + 1], *smallest[trimmed : trimmed + 1]):
                total += ops.where(enough, 0, _present(end))
        return count * total / ops.maximum(left, 1), None


def _taken(
    rows: list[keras.KerasTensor],
    count: int,
    extreme: Callable[..., keras.KerasTensor],
    other: Callable[..., keras.KerasTensor],
) -> tuple[list[keras.KerasTensor], list[keras.KerasTensor]]:
    """The most extreme of the rows in each coordinate, `count` times or until none is left, and
    what the others are then.
    """
    taken: list[keras.KerasTensor] = []
    while rows and len(taken) < count:
        found, rest = rows[0], []
        for row in rows[1:]:
            rest.append(other(found, row))
            found = extreme(found, row)
        taken.append(found)
        rows = rest
    return taken, rows


def _present(row: keras.KerasTensor) -> keras.KerasTensor:
    return keras.ops.where(keras.ops.abs(row) < np.inf, row, 0)
