"""Adapters in one trunk (Rebuffi et al. 2017, NeurIPS; Houlsby et al. 2019, ICML)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.sharing.base import Shared, Sharing, ends_of


@dataclass(frozen=True, kw_only=True)
class Adapters(Sharing):
    """One trunk, with small layers of each task's own after every stage.

    With a frozen pretrained trunk, tasks cannot disturb each other at all, and each adds a few
    weights. From the second stage on, the trunk is computed once per task.

    width: of an adapter, between its two maps.
    """

    __pydantic_config__ = STRICT
    one_trunk: ClassVar[bool] = False
    gradients_meet: ClassVar[Literal["parameters"]] = "parameters"
    name: Literal["adapters"] = "adapters"
    width: Annotated[int, Field(ge=1)] = 16

    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.adapter import Adapter
        from models.trunks.stages import Walk

        trunk = make_trunk()
        walk = Walk(trunk, trunk.input)
        first, *others = walk.stages
        x = walk.step()
        ends = []
        for task in tasks:
            own, adapted, before = walk.fork(), x, first
            for stage in others:
                own.exchange(Adapter(task, before.name, self.width)(adapted))
                adapted, before = own.step(), stage
            ends.append(adapted)
        given = ends_of(tasks, ends)
        branches = {
            task: Adapter(task, before.name, self.width)(end) for task, end in given.items()
        }
        return Shared(
            keras.Model(trunk.input, ends, name="trunk"),
            keras.Model(list(given.values()), branches),
        )
