"""Learning to branch (Guo et al. 2020, ICML, arXiv:2006.01895)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.sharing.base import MakeTrunk, Shared, Sharing
from models.sharing.cross_stitch import stitched


@dataclass(frozen=True, kw_only=True)
class LTB(Sharing):
    """Learns a tree of shared stages: each stage has one copy per task, and each copy learns which
    copy of the previous stage to read. Costs one trunk per task.

    Difference from the paper: copies and choices are trained together, where the paper first
    searches the tree and then trains it from scratch. While a transfer mode freezes the whole
    trunk, choices inside it are not sampled: the most likely ones are used.

    temperature: of the softmax through which the gradient of a choice flows, at first; it falls
        with the square root of the steps. It does not change the draws themselves: each copy is
        drawn with its probability, and draws get less random only as training moves the
        probabilities apart. This is so for every straight-through Gumbel-softmax, the paper's too.
    """

    one_trunk: ClassVar[bool] = False
    name: Literal["ltb"] = "ltb"
    temperature: Annotated[float, Field(gt=0)] = 5.0

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.stitch import Branching

        return stitched(make_trunk, tasks, lambda stage: Branching(stage, tasks, self.temperature))
