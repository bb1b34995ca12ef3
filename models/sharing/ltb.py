"""Learning to branch (Guo et al. 2020, ICML, arXiv:2006.01895)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.sharing.base import Shared, Sharing
from models.sharing.cross_stitch import stitched


@dataclass(frozen=True, kw_only=True)
class LTB(Sharing):
    """As many copies of each stage as there are tasks; each learns from which copy of the stage
    before it goes on, so that tasks come to share a tree.

    Trains all copies together with the choices, where the paper first searches and then trains the
    tree anew. Costs a trunk for every task. While a transfer mode holds the whole trunk, choices
    inside it are not drawn: the likeliest train.

    temperature: of the draws at first; it falls with the root of the steps.
    """

    __pydantic_config__ = STRICT
    one_trunk: ClassVar[bool] = False
    name: Literal["ltb"] = "ltb"
    temperature: Annotated[float, Field(gt=0)] = 5.0

    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.stitch import Branching

        return stitched(make_trunk, tasks, lambda stage: Branching(stage, tasks, self.temperature))
