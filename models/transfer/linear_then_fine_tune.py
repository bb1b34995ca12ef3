"""LP-FT: linear probing, then fine-tuning (Kumar et al. 2022, arXiv:2202.10054, section 3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TrunkRate, at_rate


@dataclass(frozen=True, kw_only=True)
class LinearThenFineTune(Transfer):
    """Trains only the heads first, then everything.

    Fine-tuning with random heads distorts the pretrained features; with trained heads much less.

    head_epochs: epochs in which only the heads train.
    trunk_rate: of the trunk's weights afterwards.
    """

    name: Literal["linear_then_fine_tune"] = "linear_then_fine_tune"
    head_epochs: Annotated[int, Field(ge=1)] = 3
    trunk_rate: TrunkRate = 0.05

    def plan(self, trunk: keras.Model) -> Plan:
        variables = tuple(trunk.trainable_variables)
        phases = Phase(0, ()), Phase(self.head_epochs, variables)
        return Plan(phases, at_rate(variables, self.trunk_rate))
