"""Smooth Tchebycheff scalarisation (Lin et al. 2024, ICML, arXiv:2402.19078)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.balancing.base import Balancing, LossBalancer
from models.balancing.math.state import TINY, EpochMeans, task_variables
from models.balancing.math.weighted_sum import WeightedLosses, softmax_over_present
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class STCH(Balancing):
    """Minimises a smooth maximum of the tasks' losses, relative to their losses after a warm-up.
    Helps when the worst task matters most. State: mean losses per task. No additional cost.

    The objective is mu log(sum exp(f / mu)) with f = log(loss / reference), as in the official
    multitask code. The reference is the task's mean loss in the last epoch of the warm-up, which
    minimises the sum of the log losses. Difference from the paper: the weights are scaled to the
    same sum as in plain training.

    mu: near 0, only the worst task counts. 1, the official default, is the plain sum of
        loss / reference. Larger values approach the sum of log losses.
    warmup_epochs: the last one sets the reference. The official code runs 4 epochs before it.
    """

    name: Literal["stch"] = "stch"
    mu: Annotated[float, Field(gt=0)] = 0.5
    warmup_epochs: Annotated[int, Field(ge=1)] = 1

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return STCHBalancer(targets, self.mu, self.warmup_epochs)


class STCHBalancer(WeightedLosses):
    """A task without labels during the warm-up takes its reference from later epochs with labels.

    references: [tasks], 0 until known. epochs: [tasks], epochs in which the task had labels.
    """

    def __init__(self, targets: tuple[TaskTarget, ...], mu: float, warmup_epochs: int) -> None:
        super().__init__(targets)
        self.mu, self.warmup_epochs = mu, warmup_epochs
        self.means = EpochMeans(self.num_tasks)
        self.references, self.epochs = task_variables(self.num_tasks, "references", "epochs")
        self.variables = [*self.means.variables, self.references, self.epochs]

    def weights(self, losses: Tensor, present: Tensor) -> Tensor:
        ops = keras.ops
        self.means.add(losses, present)
        known = self.references > 0
        f = ops.log((losses + TINY) / ops.where(known, self.references + TINY, losses + TINY))
        logits = ops.where(known, f / self.mu, 0.0) - ops.log(losses + TINY)
        return softmax_over_present(logits, present)

    def new_epoch(self) -> None:
        ops = keras.ops
        means, had_labels = self.means.take_and_reset()
        self.epochs.assign_add(ops.cast(had_labels, "float32"))
        warmup_ends = had_labels & (self.epochs == self.warmup_epochs)
        before = ops.convert_to_tensor(self.references)
        self.references.assign(ops.where(warmup_ends, means, before))
