"""First the heads alone, then everything (Kumar et al. 2022, arXiv:2202.10054, LP-FT, section 3.4).

Fine-tuning from random heads distorts pretrained features; from heads that fit, much less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TrunkRate, at_rate


@dataclass(frozen=True, kw_only=True)
class LinearThenFineTune(Transfer):
    """head_epochs: of the heads alone. trunk_rate: of the trunk's weights, afterwards."""

    __pydantic_config__ = STRICT
    name: Literal["linear_then_fine_tune"] = "linear_then_fine_tune"
    head_epochs: Annotated[int, Field(ge=1)] = 3
    trunk_rate: TrunkRate = 0.05

    def plan(self, trunk: keras.Model) -> Plan:
        variables = tuple(trunk.trainable_variables)
        phases = Phase(0, ()), Phase(self.head_epochs, variables)
        return Plan(phases, at_rate(variables, self.trunk_rate))
