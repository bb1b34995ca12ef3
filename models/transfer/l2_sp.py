"""L2-SP: fine-tuning held near its starting point (Li, Grandvalet and Davoine 2018,
arXiv:1802.01483, equation 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TrunkRate, at_rate


@dataclass(frozen=True, kw_only=True)
class L2SP(Transfer):
    """Adds `alpha / 2 * ||w - w0||^2` to the loss, over all trainable weights w of the trunk, w0
    being the pretrained ones. (The paper's `beta`, plain weight decay of the new heads, is
    `training.weight_decay`.)

    alpha: the paper's best lie between 0.01 and 0.1. trunk_rate: of the trunk's weights.
    """

    __pydantic_config__ = STRICT
    name: Literal["l2_sp"] = "l2_sp"
    alpha: Annotated[float, Field(gt=0)] = 0.01
    trunk_rate: TrunkRate = 0.05

    def plan(self, trunk: keras.Model) -> Plan:
        variables = tuple(trunk.trainable_variables)
        for v in variables:
            v.regularizer = _Toward(self.alpha, keras.ops.convert_to_numpy(v), v.regularizer)
        return Plan((Phase(0, variables),), at_rate(variables, self.trunk_rate))

    def finish(self, trunk: keras.Model) -> None:
        for v in trunk.weights:
            if isinstance(v.regularizer, _Toward):
                v.regularizer = v.regularizer.before


class _Toward:
    """A Keras regularizer: `alpha / 2` times the squared distance from where a weight started,
    beside the regularizer that it had before.
    """

    def __init__(self, alpha: float, start: Any, before: Any) -> None:
        self.alpha, self.start, self.before = alpha, start, before

    def __call__(self, value: keras.KerasTensor) -> keras.KerasTensor:
        penalty = self.alpha / 2 * keras.ops.sum(keras.ops.square(value - self.start))
        return penalty if self.before is None else penalty + self.before(value)
