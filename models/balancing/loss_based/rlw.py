"""Random loss weighting (Lin et al. 2022, TMLR, arXiv:2111.10603, section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import Balancing, LossBalancer
from models.balancing.math.weighted_sum import WeightedLosses, softmax_over_present
from models.lazy import Tensor, keras
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class RLW(Balancing):
    """Random weights, drawn in every step: a softmax of standard normal numbers.

    A baseline, which a balancing method should beat before its gain is attributed to balancing. The
    draws follow the training seed. No additional cost.
    """

    name: Literal["rlw"] = "rlw"

    def build(self, targets: tuple[TaskTarget, ...]) -> LossBalancer:
        return RLWBalancer(targets)


class RLWBalancer(WeightedLosses):
    """The random state is a variable, so that a resumed training draws the same weights."""

    def __init__(self, targets: tuple[TaskTarget, ...]) -> None:
        super().__init__(targets)
        self.random = keras.random.SeedGenerator()
        self.variables = [self.random.state]

    def weights(self, losses: Tensor, present: Tensor) -> Tensor:
        logits = keras.random.normal((self.num_tasks,), seed=self.random)
        return softmax_over_present(logits, present)
