"""BitFit: only the biases of the trunk train (Ben Zaken et al. 2022, arXiv:2106.10199)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TransferError, TrunkRate, at_rate

BIASES = ("bias", "beta")
"""Endings of the names of biases, and of offsets of normalisation layers."""


@dataclass(frozen=True, kw_only=True)
class BiasOnly(Transfer):
    """Trains the biases of the trunk and the offsets of its normalisation layers.

    trunk_rate: of the biases, which need higher rates than training all weights (section 3.1).
    """

    name: Literal["bias_only"] = "bias_only"
    trunk_rate: TrunkRate = 0.5

    def plan(self, trunk: keras.Model) -> Plan:
        biases = tuple(v for v in trunk.trainable_variables if v.name.endswith(BIASES))
        if not biases:
            raise TransferError(
                "bias_only: the trunk has no trainable biases. Expected variables whose names end"
                f" in {' or '.join(BIASES)}. Choose another mode: frozen or fine_tune."
            )
        return Plan((Phase(0, biases),), at_rate(biases, self.trunk_rate))
