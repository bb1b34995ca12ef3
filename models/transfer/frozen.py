"""Feature extraction: the pretrained trunk does not change; only the heads train."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer


@dataclass(frozen=True, kw_only=True)
class Frozen(Transfer):
    """The trunk runs in inference mode: a row has the same representation in every epoch.

    embed: compute the representations once, in the Embed stage, instead of in every epoch. The
        trained and served model is the same in both cases.
    """

    name: Literal["frozen"] = "frozen"
    embed: bool = True
    fixed_trunk = True

    def plan(self, trunk: keras.Model) -> Plan:
        return Plan((Phase(0, ()),))
