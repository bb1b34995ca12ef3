"""Confidence intervals of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from components.data.lazy import Floats, np
from models.config import STRICT

_BLOCK_CELLS = 2_000_000
_MOST_UNDEFINED = 0.05


@dataclass(frozen=True, kw_only=True)
class Confidence:
    """How confidence intervals are computed.

    level: the share of intervals that contain the true value. replicates: of the bootstrap; 0 for
    no intervals. seed: of the bootstrap.
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


def of_share(counted: int, total: int, level: float) -> Interval:
    """The mid-P interval of a share of rows: a binomial interval in which the observed count has
    half its probability (H. Lancaster, JASA 56, 1961; A. Agresti and A. Gottard, Comput. Stat. Data
    Anal. 51, 2007). The Clopper-Pearson interval gives it the whole probability and is too wide.
    """
    from scipy.optimize import brentq
    from scipy.special import betainc

    def beyond(share: float, least: int) -> float:
        """The probability of at least so many rows."""
        if least <= 0 or least > total:
            return float(least <= 0)
        return float(betainc(least, total - least + 1, share))

    def bound(tail: float) -> float:
        def over(share: float) -> float:
            return (beyond(share, counted) + beyond(share, counted + 1)) / 2 - tail

        return float(brentq(over, 0.0, 1.0))

    tail = (1 - level) / 2
    return Interval(bound(tail) if counted else 0.0, bound(1 - tail) if counted < total else 1.0)


def of_paired_shares(ours: int, theirs: int, total: int, level: float) -> Interval:
    """The interval of a difference between two shares of the same rows: the adjusted Wald interval
    of D. Bonett and R. Price (J. Educ. Behav. Stat. 37, 2012), which M. Fagerland, S. Lydersen and
    P. Laake (Stat. Med. 33, 2014) recommend. The bootstrap interval is too narrow for few rows.

    ours, theirs: rows that only one of the two shares counts. total: the denominator of both.
    """
    from scipy.special import ndtri

    more, less = (ours + 1) / (total + 2), (theirs + 1) / (total + 2)
    error = ndtri((1 + level) / 2) * ((more + less - (more - less) ** 2) / (total + 2)) ** 0.5
    return Interval(float(max(more - less - error, -1)), float(min(more - less + error, 1)))


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
