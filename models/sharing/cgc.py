"""Customized gate control (Tang et al. 2020, RecSys, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.sharing.base import MakeTrunk, Shared, Sharing, Widths
from models.sharing.ple import PLE


@dataclass(frozen=True, kw_only=True)
class CGC(Sharing):
    """Shared and task-specific experts, combined by one gate per task: `ple` with one level.

    shared_experts: number of experts that all tasks share. task_experts: number of experts per
    task. widths: units of each expert's layers.
    """

    name: Literal["cgc"] = "cgc"
    shared_experts: Annotated[int, Field(ge=1)] = 2
    task_experts: Annotated[int, Field(ge=1)] = 1
    widths: Annotated[Widths, Field(min_length=1)] = (64,)

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        own, shared = self.task_experts, self.shared_experts
        one_level = PLE(shared_experts=shared, task_experts=own, widths=self.widths, levels=1)
        return one_level.build(make_trunk, tasks)
