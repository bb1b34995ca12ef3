"""Multi-Krum (Blanchard et al. 2017, NeurIPS, "Machine Learning with Adversaries", section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import GramianBalancer, GramianBalancing
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget

FAR = 1e12
"""A squared distance larger than all between gradients, whose squared norms are 1 on average."""


@dataclass(frozen=True, kw_only=True)
class Krum(GramianBalancing):
    """The mean of the `selected` gradients that are nearest to their neighbours; robust against
    `outliers` outliers. Not exact at the representation.

    Meant for many tasks of similar scale; the others do not train the trunk in that step. A task's
    score is the sum of its squared distances to the (present tasks - outliers - 2) nearest other
    tasks, at least one; equal scores are selected together. The mean is multiplied by the number of
    tasks, as in plain training.
    """

    name: Literal["krum"] = "krum"
    outliers: Annotated[int, Field(ge=0)] = 1
    selected: Annotated[int, Field(ge=1)] = 1

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return KrumBalancer(targets, self.outliers, self.selected)


class KrumBalancer(GramianBalancer):
    def __init__(self, targets: tuple[TaskTarget, ...], outliers: int, selected: int) -> None:
        super().__init__(targets)
        self.outliers, self.selected = outliers, selected

    def weights(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        ops, tasks = keras.ops, self.num_tasks
        squares = ops.diagonal(gramian)
        distances = squares[:, None] + squares - 2 * gramian
        nearest = ops.sort(distances + FAR * (1 - present) + FAR * ops.eye(tasks, dtype="float64"))
        count = ops.sum(present)
        neighbours = ops.maximum(count - self.outliers - 2, 1)
        ranks = ops.arange(tasks, dtype="float64")
        scores = ops.sum(ops.where(ranks < neighbours, nearest, 0), -1) + FAR * FAR * (1 - present)
        threshold = ops.sort(scores)[min(self.selected, tasks) - 1]
        chosen = present * ops.cast(scores <= threshold, "float64")
        return self.task_weights("float64") * chosen * count / ops.maximum(ops.sum(chosen), 1)
