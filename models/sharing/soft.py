"""Soft parameter sharing (Duong et al. 2015, ACL, section 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.sharing.base import Shared, Sharing, ends_of


@dataclass(frozen=True, kw_only=True)
class Soft(Sharing):
    """A trunk per task, all drawn towards their mean by a penalty on the squared distance.

    Each task computes its own trunk: costs one for every task. Tasks meet in the weights alone, so
    gradients have nothing to be balanced.

    strength: of the penalty, on the sum over weights.
    """

    __pydantic_config__ = STRICT
    one_trunk: ClassVar[bool] = False
    gradients_meet: ClassVar[None] = None
    name: Literal["soft"] = "soft"
    strength: Annotated[float, Field(gt=0)] = 1e-3

    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.tether import Tether
        from models.trunks.stages import Walk, name_apart

        trunks = [make_trunk() for _ in tasks]
        inputs, ends = trunks[0].input, []
        for trunk, task in zip(trunks, tasks, strict=True):
            name_apart(trunk, task)
            walk = Walk(trunk, inputs)
            for _ in walk.stages:
                end = walk.step()
            ends.append(end)
        ends = Tether(trunks, self.strength)(ends)
        given = ends_of(tasks, ends)
        branches = keras.Model(list(given.values()), given)
        return Shared(keras.Model(inputs, ends, name="trunk"), branches)
