"""Nash-MTL (Navon et al. 2022, ICML, arXiv:2202.01017, claim 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.balancing.base import GramianBalancer, GramianBalancing
from models.balancing.gradient_based.fairgrad import FairGradBalancer
from models.tasks.base import TaskTarget


@dataclass(frozen=True, kw_only=True)
class NashMTL(GramianBalancing):
    """The Nash bargaining solution of the tasks: weights a with `G a = 1 / a` for the Gramian G.
    This is `fairgrad` with alpha 1.

    To first order every task improves, and the scale of a task's loss does not matter. A task's
    weight is its bargaining power. Differences from the paper: solved in every step by Newton's
    method, instead of by convex-concave steps in some. The weights are scaled to the same sum as in
    plain training; the paper's grow as gradients shrink. Not exact at the representation. A task
    without a gradient is left out.
    """

    name: Literal["nash_mtl"] = "nash_mtl"

    def build(self, targets: tuple[TaskTarget, ...]) -> GramianBalancer:
        return FairGradBalancer(targets, alpha=1.0)
