"""Random loss weighting (Lin et al. 2022, TMLR, arXiv:2111.10603, section 3).

In every step the weights are the softmax of standard normal numbers. One random number a task, no
other cost. It is the baseline that a method has to beat before its gain is put down to balancing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import Balancing, LossBalancer
from models.balancing.math.weighted_sum import WeightedLosses, shares
from models.config import STRICT
from models.lazy import keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class RLW(Balancing):
    """Random weights, drawn anew in every step from the seed of the training."""

    __pydantic_config__ = STRICT
    name: Literal["rlw"] = "rlw"

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return RLWBalancer(targets)


class RLWBalancer(WeightedLosses):
    """See `RLW`. The random state is a variable, so that training resumes exactly."""

    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.seeds = keras.random.SeedGenerator()
        self.variables = [self.seeds.state]

    def weights(self, losses: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
        return shares(keras.random.normal((len(self.task_weights),), seed=self.seeds), present)
