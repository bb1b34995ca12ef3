"""Adapters in one trunk (Rebuffi et al. 2017, NeurIPS; Houlsby et al. 2019, ICML)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from models.lazy import keras
from models.sharing.base import MakeTrunk, Shared, Sharing, branch_inputs


@dataclass(frozen=True, kw_only=True)
class Adapters(Sharing):
    """One trunk with small task-specific layers (adapters) after every stage.

    With a frozen pretrained trunk, tasks cannot interfere, and each adds only a few weights. From
    the second stage on, the trunk is computed once per task.

    width: units of the bottleneck between an adapter's two layers.
    """

    one_trunk: ClassVar[bool] = False
    gradients_meet: ClassVar[Literal["parameters"]] = "parameters"
    name: Literal["adapters"] = "adapters"
    width: Annotated[int, Field(ge=1)] = 16

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.adapter import Adapter
        from models.trunks.stages import Walk

        trunk = make_trunk()
        walk = Walk(trunk, trunk.input)
        first, *others = walk.stages
        x = walk.step()
        ends = []
        for task in tasks:
            task_walk, output, previous = walk.fork(), x, first
            for stage in others:
                task_walk.replace_output(Adapter(task, previous.name, self.width)(output))
                output, previous = task_walk.step(), stage
            ends.append(output)
        inputs = branch_inputs(tasks, ends)
        branches = {t: Adapter(t, previous.name, self.width)(end) for t, end in inputs.items()}
        shared = keras.Model(trunk.input, ends, name="trunk")
        return Shared(shared, keras.Model(list(inputs.values()), branches))
