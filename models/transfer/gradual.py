"""Gradual unfreezing (Howard and Ruder 2018, arXiv:1801.06146, section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TrunkRate, at_rate
from models.transfer.layers.depth import variables_by_depth


@dataclass(frozen=True, kw_only=True)
class Gradual(Transfer):
    """Unfreezes the group of layers nearest to the heads first, then one more group at a time,
    until the whole trunk trains.

    head_epochs: epochs before the first group, in which only the heads train; 0 in the paper.
    epochs_per_group: epochs from one group to the next. trunk_rate: of the trunk's weights.
    """

    name: Literal["gradual"] = "gradual"
    head_epochs: Annotated[int, Field(ge=0)] = 0
    epochs_per_group: Annotated[int, Field(ge=1)] = 1
    trunk_rate: TrunkRate = 0.05

    def plan(self, trunk: keras.Model) -> Plan:
        phases = [Phase(0, ())] if self.head_epochs else []
        unfrozen: tuple[keras.Variable, ...] = ()
        for i, group in enumerate(reversed(variables_by_depth(trunk))):
            unfrozen = (*group, *unfrozen)
            phases.append(Phase(self.head_epochs + i * self.epochs_per_group, unfrozen))
        return Plan(tuple(phases), at_rate(unfrozen, self.trunk_rate))
