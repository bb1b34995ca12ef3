"""Progressive layered extraction (Tang et al. 2020, RecSys, section 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.sharing.base import Shared, Sharing, Widths, representation_of, weighted_sum


@dataclass(frozen=True, kw_only=True)
class PLE(Sharing):
    """Levels of experts, some of which belong to one task and some to all.

    A task's gate reads its own experts and the shared ones; below the last level, a gate more reads
    all experts for the shared experts of the next (equations 5 to 7). Experts stand on the trunk,
    which may be pretrained. Helps where tasks conflict: what disturbs others can stay apart.

    shared_experts, task_experts: how many at each level, in all and per task. widths: units of each
    expert's layers. levels: how many.
    """

    __pydantic_config__ = STRICT
    name: Literal["ple"] = "ple"
    shared_experts: Annotated[int, Field(ge=1)] = 2
    task_experts: Annotated[int, Field(ge=1)] = 1
    widths: Annotated[Widths, Field(min_length=1)] = (64,)
    levels: Annotated[int, Field(ge=1)] = 2

    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        trunk = make_trunk()
        representation = representation_of(trunk)
        shared, given = representation, dict.fromkeys(tasks, representation)
        for i in range(1, self.levels):
            level = _Level(self, tasks, f"level{i}_")
            shared, given = level.below(shared, given)
        last = _Level(self, tasks, f"level{self.levels}_" if self.levels > 1 else "")
        read = list(given.values()) if self.levels > 1 else [representation]
        common = keras.Model(representation, [*read, last.shared(shared)], name="common")
        *inputs, offered = (keras.Input(t.shape[1:]) for t in common.outputs)
        given = dict(zip(tasks, inputs if self.levels > 1 else inputs * len(tasks), strict=True))
        branches = {task: last.read(task, given[task], offered) for task in tasks}
        return Shared(trunk, keras.Model([*inputs, offered], branches), common)


SHARED = "shared."
"""The owner of the shared experts: no task has a dot in its name."""


class _Level:
    """The experts and gates of one level. prefix: of their names."""

    def __init__(self, scheme: PLE, tasks: tuple[str, ...], prefix: str) -> None:
        self.scheme, self.tasks, self.prefix = scheme, tasks, prefix

    def shared(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """What the shared experts offer."""
        return self._experts(SHARED, self.scheme.shared_experts, x)

    def read(
        self, task: str, x: keras.KerasTensor, offered: keras.KerasTensor
    ) -> keras.KerasTensor:
        """What a task makes of its own experts and of those that the shared ones offer."""
        return self._mixed(task, x, {task: self._own(task, x), SHARED: offered})

    def below(
        self, shared: keras.KerasTensor, given: dict[str, keras.KerasTensor]
    ) -> tuple[keras.KerasTensor, dict[str, keras.KerasTensor]]:
        """What the level gives to the shared experts of the next, and to each task."""
        offered = {task: self._own(task, x) for task, x in given.items()}
        offered[SHARED] = self.shared(shared)
        tasks = {
            task: self._mixed(task, x, {k: offered[k] for k in (task, SHARED)})
            for task, x in given.items()
        }
        return self._mixed(SHARED, shared, offered), tasks

    def _own(self, task: str, x: keras.KerasTensor) -> keras.KerasTensor:
        return self._experts(task, self.scheme.task_experts, x)

    def _experts(self, owner: str, count: int, x: keras.KerasTensor) -> keras.KerasTensor:
        from models.sharing.layers.experts import Experts

        return Experts(count, self.scheme.widths, name=f"{self.prefix}{owner}_experts")(x)

    def _mixed(
        self, reader: str, x: keras.KerasTensor, offered: dict[str, keras.KerasTensor]
    ) -> keras.KerasTensor:
        from models.sharing.layers.gate import Gate

        sources = [f"{owner}{i}" for owner, e in offered.items() for i in range(e.shape[1])]
        gate = Gate(f"{self.prefix}{reader}", sources, name=f"{self.prefix}{reader}_gate")
        return weighted_sum(gate(x), keras.ops.concatenate(list(offered.values()), axis=1))
