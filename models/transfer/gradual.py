"""Gradual unfreezing (Howard and Ruder 2018, arXiv:1801.06146, section 3.3).

The group of layers nearest to the heads thaws first, then one more group at a time, from output
to input, until the whole trunk trains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TrunkRate, at_rate
from models.transfer.layers.depth import variables_by_depth


@dataclass(frozen=True, kw_only=True)
class Gradual(Transfer):
    """head_epochs: of the heads alone, before the first group thaws (0 as in the paper).
    epochs_per_group: from one group to the next. trunk_rate: of the trunk's weights.
    """

    __pydantic_config__ = STRICT
    name: Literal["gradual"] = "gradual"
    head_epochs: Annotated[int, Field(ge=0)] = 0
    epochs_per_group: Annotated[int, Field(ge=1)] = 1
    trunk_rate: TrunkRate = 0.05

    def plan(self, trunk: keras.Model) -> Plan:
        phases = [Phase(0, ())] if self.head_epochs else []
        thawed: tuple[keras.Variable, ...] = ()
        for i, group in enumerate(reversed(variables_by_depth(trunk))):
            thawed = (*group, *thawed)
            phases.append(Phase(self.head_epochs + i * self.epochs_per_group, thawed))
        return Plan(tuple(phases), at_rate(thawed, self.trunk_rate))
