"""Soft parameter sharing (Duong et al. 2015, ACL, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.lazy import keras
from models.sharing.base import MakeTrunk, Shared, Sharing, branch_inputs


@dataclass(frozen=True, kw_only=True)
class Soft(Sharing):
    """One trunk per task; a penalty pulls the weights of all trunks towards their mean.

    Costs one trunk per task. Tasks share no tensor, so gradient-based balancing is not possible.

    strength: factor of the penalty, the sum of squared distances of all weights from their means.
    """

    one_trunk: ClassVar[bool] = False
    gradients_meet: ClassVar[None] = None
    name: Literal["soft"] = "soft"
    strength: Annotated[float, Field(gt=0)] = 1e-3

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.tether import Tether
        from models.trunks.stages import Walk, add_suffix

        trunks = [make_trunk() for _ in tasks]
        inputs, ends = trunks[0].input, []
        for trunk, task in zip(trunks, tasks, strict=True):
            add_suffix(trunk, task)
            walk = Walk(trunk, inputs)
            for _ in walk.stages:
                end = walk.step()
            ends.append(end)
        ends = Tether(trunks, self.strength)(ends)
        representations = branch_inputs(tasks, ends)
        branches = keras.Model(list(representations.values()), representations)
        return Shared(keras.Model(inputs, ends, name="trunk"), branches)
