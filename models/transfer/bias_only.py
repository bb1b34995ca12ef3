"""BitFit: only the biases of the trunk train (Ben Zaken et al. 2022, arXiv:2106.10199)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.config import STRICT
from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TransferError, TrunkRate, at_rate

BIASES = ("bias", "beta")
"""How variables that are added to activations end: biases, and offsets of normalisation."""


@dataclass(frozen=True, kw_only=True)
class BiasOnly(Transfer):
    """trunk_rate: of the biases. They take higher rates than all weights do (section 3.1)."""

    __pydantic_config__ = STRICT
    name: Literal["bias_only"] = "bias_only"
    trunk_rate: TrunkRate = 0.5

    def plan(self, trunk: keras.Model) -> Plan:
        """See `Transfer.plan`.

        Raises:
            TransferError: no trainable variable of the trunk is a bias.
        """
        biases = tuple(v for v in trunk.trainable_variables if v.name.endswith(BIASES))
        if not biases:
            raise TransferError(
                "bias_only: the trunk has no biases that could train. Expected variables whose"
                f" names end in {' or '.join(BIASES)}. Choose another mode: frozen or fine_tune."
            )
        return Plan((Phase(0, biases),), at_rate(biases, self.trunk_rate))
