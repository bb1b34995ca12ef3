"""Layer-wise learning rate decay (Clark et al. 2020, ELECTRA, arXiv:2003.10555, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TrunkRate
from models.transfer.layers.depth import variables_by_depth


@dataclass(frozen=True, kw_only=True)
class LayerDecay(Transfer):
    """Groups of layers nearer to the input train more slowly: the k-th group below the last one has
    the rate `trunk_rate * decay**k` (appendix B; after Howard and Ruder 2018, section 3.2).

    decay: factor per group; ELECTRA uses 0.8 for its base model and 0.9 for its large one.
    trunk_rate: of the group nearest to the heads.
    """

    name: Literal["layer_decay"] = "layer_decay"
    decay: Annotated[float, Field(gt=0, le=1)] = 0.8
    trunk_rate: TrunkRate = 0.1

    def plan(self, trunk: keras.Model) -> Plan:
        rates = {
            id(v): self.trunk_rate * self.decay**k
            for k, group in enumerate(reversed(variables_by_depth(trunk)))
            for v in group
        }
        return Plan((Phase(0, tuple(trunk.trainable_variables)),), rates)
