"""Confidence intervals: their settings, and the ones that need no more than a few numbers.

`ratios` has those of shares and means, `ranking_intervals` those of areas under ROC curves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from components.data.lazy import Floats, np
from models.config import STRICT

_BLOCK_CELLS = 2_000_000
_MOST_UNDEFINED = 0.05
_LEAST_ROWS = 1e-3
INFINITE = float("inf")


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


def quantile(level: float, freedom: float = INFINITE) -> float:
    """How many standard errors a two-sided interval reaches: Student's t, or the normal quantile
    for infinitely many degrees of freedom.
    """
    from scipy.special import ndtri, stdtrit

    tail = (1 + level) / 2
    return float(ndtri(tail) if freedom == INFINITE else stdtrit(freedom, tail))


def of_counts(counted: float, total: float, level: float) -> Interval:
    """The mid-P interval of a share of rows: a binomial interval in which the observed count has
    half its probability (H. Lancaster, JASA 56, 1961; A. Agresti and A. Gottard, Comput. Stat. Data
    Anal. 51, 2007). The Clopper-Pearson interval gives it the whole probability and is too wide.

    Effective numbers of rows need not be whole. Of far less than a row nothing is known.
    """
    from scipy.optimize import brentq
    from scipy.special import betainc

    def beyond(share: float, least: float) -> float:
        """The probability of at least so many rows."""
        if least <= 0 or least >= total + 1:
            return float(least <= 0)
        return float(betainc(least, total - least + 1, share))

    def bound(tail: float) -> float:
        def over(share: float) -> float:
            return (beyond(share, counted) + beyond(share, counted + 1)) / 2 - tail

        return float(brentq(over, 0.0, 1.0))

    if total < _LEAST_ROWS:
        return Interval(0.0, 1.0)
    tail, rounding = (1 - level) / 2, 1e-9 * total
    low = bound(tail) if counted > rounding else 0.0
    return Interval(low, bound(1 - tail) if counted < total - rounding else 1.0)


def widened(level: float, units: float) -> float:
    """The level at which the quantiles of a bootstrap distribution are taken, if so many rows or
    groups decide the metric: as much wider as Student's t is wider than the normal distribution (T.
    Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69, 2015).
    """
    from scipy.special import ndtr

    reach = quantile(level, units - 1) * (units / (units - 1)) ** 0.5
    return float(1 - 2 * ndtr(-reach))


def percentile(replicates: Floats, estimate: float, level: float) -> Interval | None:
    """The interval between two quantiles of bootstrap values, joined with the same interval after
    correction for bias: B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993),
    sections 13.3 and 14.3, without acceleration. Either alone is too narrow for some metrics.

    None where the metric is undefined for more than a few of the resamples.
    """
    from scipy.special import ndtr, ndtri

    defined = replicates[~np.isnan(replicates)]
    if not len(defined) or len(defined) < (1 - _MOST_UNDEFINED) * len(replicates):
        return None
    lower = ((defined < estimate).mean() + (defined <= estimate).mean()) / 2
    bias = float(ndtri(np.clip(lower, 0.05, 0.95)))
    tails = ndtr(np.array([[0.0], [2 * bias]]) + np.array([-1, 1]) * quantile(level))
    bounds = np.quantile(defined, tails)
    return Interval(float(bounds[:, 0].min()), float(bounds[:, 1].max()))


def resamples(units: int, confidence: Confidence, rows: int = 0) -> Iterator[Floats]:
    """Blocks [k, units] of Poisson(1) counts, `replicates` in all: how often each group is drawn,
    or each row, where every row is a group. A block has a bounded number of cells, also when it is
    spread over so many rows.

    The Poisson bootstrap: N. Chamandy et al., Estimating uncertainty for massive data streams
    (Google, 2012), section 2.
    """
    size = max(1, min(confidence.replicates, _BLOCK_CELLS // max(units, rows, 1)))
    generator = np.random.default_rng(confidence.seed)
    for start in range(0, confidence.replicates, size):
        count = min(size, confidence.replicates - start)
        yield generator.poisson(1.0, (count, units)).astype(np.float64)
