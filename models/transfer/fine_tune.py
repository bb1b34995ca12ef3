"""Full fine-tuning: all weights of the trunk train from the first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TrunkRate, at_rate


@dataclass(frozen=True, kw_only=True)
class FineTune(Transfer):
    """Trains the trunk more slowly than the heads.

    trunk_rate: of the trunk's weights. By default, 5e-5 with the chosen learning rate, as for BERT
        (Devlin et al. 2019, Appendix A.3: 2e-5 to 5e-5).
    """

    name: Literal["fine_tune"] = "fine_tune"
    trunk_rate: TrunkRate = 0.05

    def plan(self, trunk: keras.Model) -> Plan:
        variables = tuple(trunk.trainable_variables)
        return Plan((Phase(0, variables),), at_rate(variables, self.trunk_rate))
