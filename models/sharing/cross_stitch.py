"""Cross-stitch networks (Misra et al. 2016, CVPR, section 3): soft sharing of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.sharing.base import Shared, Sharing, ends_of


@dataclass(frozen=True, kw_only=True)
class CrossStitch(Sharing):
    """A trunk per task; after every stage, each takes a learned mixture of what all gave.

    Costs a trunk for every task, in time and memory. Where it is not known what tasks should share,
    the mixtures, which are reported, tell it.

    own: a trunk's weight for itself at first (alpha_S); the others share the rest.
    """

    __pydantic_config__ = STRICT
    one_trunk: ClassVar[bool] = False
    name: Literal["cross_stitch"] = "cross_stitch"
    own: Annotated[float, Field(gt=0, le=1)] = 0.9

    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.stitch import Stitch

        return stitched(make_trunk, tasks, lambda stage: Stitch(stage, tasks, self.own))


def stitched(
    make_trunk: Callable[[], keras.Model],
    tasks: tuple[str, ...],
    make_stitch: Callable[[str], keras.Layer],
) -> Shared:
    """A trunk per task with a stitch after each stage, by name. The last one, of which every row
    serves one task alone, stands in the branches.
    """
    from models.trunks.stages import Walk, name_apart, steps

    trunks = [make_trunk() for _ in tasks]
    inputs = trunks[0].input
    for trunk, task in zip(trunks, tasks, strict=True):
        name_apart(trunk, task)
    walks = [Walk(trunk, inputs) for trunk in trunks]
    *others, last = walks[0].stages
    for stage in others:
        for walk, x in zip(walks, make_stitch(stage.name)(steps(walks)), strict=True):
            walk.exchange(x)
    ends = steps(walks)
    given = ends_of(tasks, ends)
    branches = dict(zip(tasks, make_stitch(last.name)(list(given.values())), strict=True))
    return Shared(
        keras.Model(inputs, ends, name="trunk"), keras.Model(list(given.values()), branches)
    )
