"""Cross-stitch networks (Misra et al. 2016, CVPR, section 3): soft sharing of features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.lazy import keras
from models.sharing.base import MakeTrunk, Shared, Sharing, branch_inputs


@dataclass(frozen=True, kw_only=True)
class CrossStitch(Sharing):
    """One trunk per task; after every stage, each continues with a learned mixture of all trunks'
    outputs, which is reported: it shows what the tasks share. Costs one trunk per task.

    own: initial weight of a trunk's own output (the paper's alpha_S); the others share the rest.
    """

    one_trunk: ClassVar[bool] = False
    name: Literal["cross_stitch"] = "cross_stitch"
    own: Annotated[float, Field(gt=0, le=1)] = 0.9

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.stitch import Stitch

        return stitched(make_trunk, tasks, lambda stage: Stitch(stage, tasks, self.own))


def stitched(
    make_trunk: MakeTrunk, tasks: tuple[str, ...], make_stitch: Callable[[str], keras.Layer]
) -> Shared:
    """One trunk per task; `make_stitch` returns the layer after the stage of a name.

    The last stitch belongs to the branches, because each of its rows serves one task only.
    """
    from models.trunks.stages import Walk, add_suffix

    trunks = [make_trunk() for _ in tasks]
    inputs = trunks[0].input
    for trunk, task in zip(trunks, tasks, strict=True):
        add_suffix(trunk, task)
    walks = [Walk(trunk, inputs) for trunk in trunks]
    *others, last = walks[0].stages
    for stage in others:
        mixed = make_stitch(stage.name)([walk.step() for walk in walks])
        for walk, x in zip(walks, mixed, strict=True):
            walk.replace_output(x)
    ends = [walk.step() for walk in walks]
    tensors = list(branch_inputs(tasks, ends).values())
    branches = dict(zip(tasks, make_stitch(last.name)(tensors), strict=True))
    return Shared(keras.Model(inputs, ends, name="trunk"), keras.Model(tensors, branches))
