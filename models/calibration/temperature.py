"""Temperature scaling: one number for all raw outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.calibration.base import Answered, Calibration, scaled
from models.lazy import Tensor

HOTTEST = 1e3


@final
@dataclass(frozen=True, kw_only=True)
class Temperature(Calibration):
    """Raw outputs / temperature (Guo, Pleiss, Sun and Weinberger 2017, arXiv:1706.04599, section
    4.2). The order of classes and rows stays the same.
    """

    name: Literal["temperature"] = "temperature"
    temperature: float = 1.0
    order = 1

    @classmethod
    def fit(cls, rows: Answered) -> Temperature:
        slopes, _ = scaled(rows, units=1, biased=False)
        return cls(temperature=1 / max(float(slopes[0]), 1 / HOTTEST))

    def __call__(self, outputs: Tensor) -> Tensor:
        return outputs * (1 / self.temperature)

    def described(self) -> str:
        return f"temperature {self.temperature:.3g}"
