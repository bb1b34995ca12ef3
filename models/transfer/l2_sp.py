"""L2-SP: fine-tuning near the start (Li et al. 2018, ICML, arXiv:1802.01483, equation 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from models.lazy import Tensor, keras
from models.transfer.base import Phase, Plan, Transfer, TrunkRate, at_rate


@dataclass(frozen=True, kw_only=True)
class L2SP(Transfer):
    """Adds `alpha / 2 * ||w - w0||^2` to the loss, where w are all trainable weights of the trunk
    and w0 their pretrained values.

    The paper's `beta`, weight decay of the new heads, is `training.weight_decay`. It does not act
    on the trunk, whose weights are pulled to w0 and not to zero.

    alpha: strength of the penalty; the best values in the paper are from 0.01 to 0.1.
    trunk_rate: of the trunk's weights.
    """

    name: Literal["l2_sp"] = "l2_sp"
    alpha: Annotated[float, Field(gt=0)] = 0.01
    trunk_rate: TrunkRate = 0.05

    def plan(self, trunk: keras.Model) -> Plan:
        variables = tuple(trunk.trainable_variables)
        for v in variables:
            v.regularizer = _TowardsStart(self.alpha, keras.ops.convert_to_numpy(v), v.regularizer)
        rates = at_rate(variables, self.trunk_rate)
        return Plan((Phase(0, variables),), rates, undecayed=variables)

    def finish(self, trunk: keras.Model) -> None:
        for v in trunk.weights:
            if isinstance(v.regularizer, _TowardsStart):
                v.regularizer = v.regularizer.before


class _TowardsStart:
    """A Keras regularizer: `alpha / 2` times the squared distance from a start value.

    before: the regularizer that the weight already had, which stays active.
    """

    def __init__(self, alpha: float, start: Any, before: Any) -> None:
        self.alpha, self.start, self.before = alpha, start, before

    def __call__(self, value: Tensor) -> Tensor:
        penalty = self.alpha / 2 * keras.ops.sum(keras.ops.square(value - self.start))
        return penalty if self.before is None else penalty + self.before(value)
