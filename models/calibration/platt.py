"""Platt scaling: a slope and a bias for every raw output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.calibration.base import Answered, Calibration, scaled
from models.lazy import Tensor, keras


@final
@dataclass(frozen=True, kw_only=True)
class Platt(Calibration):
    """slope · output + bias (Platt, Probabilistic outputs for support vector machines, 1999). Of
    several classes it is vector scaling (Guo et al. 2017, arXiv:1706.04599, section 4.2).

    Slopes are not negative. A weak prior (see `scaled`) stands in for Platt's smoothed labels.
    """

    name: Literal["platt"] = "platt"
    slopes: tuple[float, ...] = ()
    biases: tuple[float, ...] = ()
    order = 2

    @classmethod
    def fit(cls, rows: Answered) -> Platt:
        slopes, biases = scaled(rows, units=rows.outputs.shape[1], biased=True)
        return cls(slopes=tuple(map(float, slopes)), biases=tuple(map(float, biases)))

    def __call__(self, outputs: Tensor) -> Tensor:
        slopes, biases = (keras.ops.array(v, outputs.dtype) for v in (self.slopes, self.biases))
        return outputs * slopes + biases

    def described(self) -> str:
        if len(self.slopes) > 1:
            return f"platt, {len(self.slopes)} slopes and biases"
        return f"platt, slope {self.slopes[0]:.3g}, bias {self.biases[0]:.3g}"
