"""Numbers, standardised or sorted into bins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from models.inputs.base import RESERVED, Feature, Input, RawType, Tabular


def _ascending(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(a >= b for a, b in pairwise(values)):
        raise ValueError("expected ascending boundaries")
    return values


Boundaries = Annotated[
    tuple[Annotated[float, Field(allow_inf_nan=False)], ...],
    Field(min_length=1),
    AfterValidator(_ascending),
]


@dataclass(frozen=True, kw_only=True)
class NumericInput(Input):
    """A number, standardised by the training split's mean and standard deviation. Where outliers
    make the deviation ten times that of the middle half, the median and the scale of the middle
    half are taken, and what lies beyond ten times the scale is compressed.

    A trunk trained from scratch reads it by bins of the training values, each with a learned slope
    and a learned vector, and learns what a missing number means.

    log: take sign(x)·log(1 + |x|) first, for long tails.
    bins: make a category of it instead: the number of bins, of about as many training rows each,
        or the ascending boundaries between them (a boundary belongs to the bin above it). Missing
        is a category of its own.
    """

    kind: Literal["numeric"] = "numeric"
    raw: ClassVar[RawType] = "number"
    log: bool = False
    bins: Annotated[int, Field(ge=2, le=100)] | Boundaries | None = None

    def __post_init__(self) -> None:
        if self.log and self.bins is not None:
            raise ValueError("expected `log` or `bins`, received both: bins do not depend on it")


@dataclass(frozen=True, kw_only=True)
class NumericFeature(Feature):
    """Raw: float32 [batch]. Preprocessed: float32 [batch]: (x - mean) / deviation; missing is NaN.

    knots: the ascending ends of the bins that trunks read it by, preprocessed like a number. If
        there are none, missing is 0.
    limit: values further from 0 are compressed to sign(x)·(limit + log(1 + |x| - limit)), so that
    outliers do not drown the others; 0 if none are.

    With `boundaries` it is categorical. Preprocessed: int32 [batch]; 0 is missing, and 2 + i is bin
    i: boundaries[i - 1] <= x < boundaries[i].
    """

    kind: Literal["numeric"] = "numeric"
    raw: ClassVar[RawType] = "number"
    tabular: ClassVar[Tabular] = "number"
    mean: float
    deviation: float
    log: bool = False
    boundaries: tuple[float, ...] = ()
    limit: float = 0.0
    knots: tuple[float, ...] = ()

    @property
    def compresses(self) -> bool:
        return self.limit > 0

    @property
    def span(self) -> tuple[float, float] | None:
        ends = tuple(map(self._raw, self.knots))
        return (ends[0], ends[-1]) if ends and all(map(math.isfinite, ends)) else None

    @property
    def usual(self) -> float:
        """The mean, or the middle of the boundaries; a whole number between knots that are."""
        if self.boundaries:
            return self.boundaries[len(self.boundaries) // 2]
        whole = self.knots and all(k == round(k) for k in map(self._raw, self.knots))
        return float(f"{self._raw(0.0):.0f}" if whole else f"{self._raw(0.0):.3g}")

    def _raw(self, value: float) -> float:
        """The raw number of a preprocessed one, without the rounding errors of float32."""
        beyond = max(abs(value) - self.limit, 0.0) if self.limit else 0.0
        if beyond:
            value = math.copysign(self.limit + _expm1(beyond), value)
        raw = value * self.deviation + self.mean
        raw = 0.0 if abs(raw) < 1e-6 * self.deviation else raw
        raw = math.copysign(_expm1(abs(raw)), raw) if self.log else raw
        return float(f"{raw:.6g}")

    @property
    def ids(self) -> int:
        """Number of ids; 0 if it is not categorical."""
        return RESERVED + len(self.boundaries) + 1 if self.boundaries else 0

    @property
    def dtype(self) -> str:
        return "int32" if self.boundaries else "float32"


def _expm1(value: float) -> float:
    return math.expm1(value) if value < 709 else math.inf
