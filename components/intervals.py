"""How far a metric may be from its true value: confidence intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from components.arrow import np
from models.inputs import STRICT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_BLOCK_CELLS = 2_000_000
_MOST_UNDEFINED = 0.05


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """How intervals are made.

    level: the share of intervals that hold the true value. replicates: of the bootstrap; 0: no
    intervals. seed: of its weights.
    """

    __pydantic_config__ = STRICT
    level: Annotated[float, Field(gt=0, lt=1)] = 0.95
    replicates: Annotated[int, Field(ge=0)] = 400
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float


def exact(counted: int, total: int, level: float) -> Interval:
    """The interval of a share of rows: C. Clopper and E. Pearson (Biometrika 26, 1934).

    It holds the true value at least as often as `level` says.
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = betaincinv(counted, total - counted + 1, tail) if counted else 0.0
    high = betaincinv(counted + 1, total - counted, 1 - tail) if counted < total else 1.0
    return Interval(float(low), float(high))


def percentile(replicates: Floats, level: float) -> Interval | None:
    """The interval between two quantiles of bootstrap values: B. Efron and R. Tibshirani, An
    Introduction to the Bootstrap (1993), section 13.3.

    None where the metric is undefined for more than a few of the resamples.
    """
    defined = replicates[~np.isnan(replicates)]
    if not len(defined) or len(defined) < (1 - _MOST_UNDEFINED) * len(replicates):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def resamples(rows: int, confidence: Confidence) -> Iterator[Floats]:
    """Blocks [k, rows] of Poisson(1) counts, `replicates` in all: how often each row is drawn.

    The Poisson bootstrap: N. Chamandy et al., Estimating uncertainty for massive data streams
    (Google, 2012), section 2.
    """
    size = max(1, min(confidence.replicates, _BLOCK_CELLS // max(rows, 1)))
    generator = np.random.default_rng(confidence.seed)
    for start in range(0, confidence.replicates, size):
        count = min(size, confidence.replicates - start)
        yield generator.poisson(1.0, (count, rows)).astype(np.float64)
