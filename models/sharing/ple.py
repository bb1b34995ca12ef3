"""Progressive layered extraction (Tang et al. 2020, RecSys, section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.lazy import Tensor, keras
from models.sharing.base import (
    MakeTrunk,
    Shared,
    Sharing,
    Widths,
    representation_input,
    weighted_sum,
)


@dataclass(frozen=True, kw_only=True)
class PLE(Sharing):
    """Several levels of shared and task-specific experts.

    A task's gate combines the outputs of its own experts and the shared ones. Below the last level,
    an additional gate combines all experts for the shared experts of the next level (equations 5 to
    7). The first experts read the trunk's output. Helps when tasks conflict: each can keep features
    that would harm the others in its own experts.

    shared_experts: number of experts per level that all tasks share. task_experts: number of
    experts per level and task. widths: units of each expert's layers. levels: number of levels.
    """

    name: Literal["ple"] = "ple"
    shared_experts: Annotated[int, Field(ge=1)] = 2
    task_experts: Annotated[int, Field(ge=1)] = 1
    widths: Annotated[Widths, Field(min_length=1)] = (64,)
    levels: Annotated[int, Field(ge=1)] = 2

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        trunk = make_trunk()
        representation = representation_input(trunk)
        shared, by_task = representation, dict.fromkeys(tasks, representation)
        for i in range(1, self.levels):
            level = _Level(self, tasks, f"level{i}_")
            shared, by_task = level.inner(shared, by_task)
        last = _Level(self, tasks, f"level{self.levels}_" if self.levels > 1 else "")
        outputs = list(by_task.values()) if self.levels > 1 else [representation]
        common = keras.Model(representation, [*outputs, last.shared(shared)], name="common")
        *inputs, shared = (keras.Input(t.shape[1:]) for t in common.outputs)
        by_task = dict(zip(tasks, inputs if self.levels > 1 else inputs * len(tasks), strict=True))
        branches = {task: last.combine(task, by_task[task], shared) for task in tasks}
        return Shared(trunk, keras.Model([*inputs, shared], branches), common)


SHARED = "shared."
"""Owner of the shared experts. No task has a dot in its name, so this cannot be a task."""


class _Level:
    """The experts and gates of one level. prefix: of the names of its layers."""

    def __init__(self, scheme: PLE, tasks: tuple[str, ...], prefix: str) -> None:
        self.scheme, self.tasks, self.prefix = scheme, tasks, prefix

    def shared(self, x: Tensor) -> Tensor:
        """Outputs of the shared experts: [batch, experts, width]."""
        return self._experts(SHARED, self.scheme.shared_experts, x)

    def combine(self, task: str, x: Tensor, shared: Tensor) -> Tensor:
        """The gated mixture of a task's own experts and of the shared experts' outputs `shared`."""
        return self._mixture(task, x, {task: self._task_experts(task, x), SHARED: shared})

    def inner(self, shared: Tensor, by_task: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The inputs of the next level: for its shared experts, and for each task."""
        outputs = {task: self._task_experts(task, x) for task, x in by_task.items()}
        outputs[SHARED] = self.shared(shared)
        mixtures = {
            task: self._mixture(task, x, {k: outputs[k] for k in (task, SHARED)})
            for task, x in by_task.items()
        }
        return self._mixture(SHARED, shared, outputs), mixtures

    def _task_experts(self, task: str, x: Tensor) -> Tensor:
        return self._experts(task, self.scheme.task_experts, x)

    def _experts(self, owner: str, count: int, x: Tensor) -> Tensor:
        from models.sharing.layers.experts import Experts

        return Experts(count, self.scheme.widths, name=f"{self.prefix}{owner}_experts")(x)

    def _mixture(self, reader: str, x: Tensor, outputs: dict[str, Tensor]) -> Tensor:
        """The weighted sum of all experts' outputs, with weights from the gate of `reader`."""
        from models.sharing.layers.gate import Gate

        sources = [f"{owner}{i}" for owner, e in outputs.items() for i in range(e.shape[1])]
        gate = Gate(f"{self.prefix}{reader}", sources, name=f"{self.prefix}{reader}_gate")
        return weighted_sum(gate(x), keras.ops.concatenate(list(outputs.values()), axis=1))
