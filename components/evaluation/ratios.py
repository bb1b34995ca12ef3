"""Confidence intervals of metrics that are a function of one share or one mean of rows.

Shares use effective numbers: with groups or row weights, a share of n rows is as uncertain as that
of fewer independent rows. Means, which are often skewed, use the studentised bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.data.lazy import Floats, np
from components.evaluation.groups import Groups
from components.evaluation.intervals import INFINITE, Interval, of_counts, quantile
from components.evaluation.metrics.family import Ratio


@dataclass(frozen=True, eq=False)
class Drawn:
    """How rows were drawn: in which groups, and with which weights [rows], of a mean of 1."""

    groups: Groups
    weights: Floats
    weighted: bool

    @property
    def plain(self) -> bool:
        """Whether rows are independent and count the same."""
        return self.groups.single and not self.weighted


def of_share(ratio: Ratio, drawn: Drawn, level: float) -> Interval | None:
    """The mid-P interval of a share, or of a metric that grows with a share, such as F1.

    Groups and weights reduce the numbers by their design effect, and few groups reduce them further
    as Student's t has it: E. Korn and B. Graubard, Confidence intervals for proportions with small
    expected number of positive counts estimated from survey data (Survey Methodology 24, 1998).
    """
    counted, among = ratio.sums(drawn.weights)
    total, share = float(among), float(counted / among)
    if not (drawn.plain and ratio.binary):
        sizes = drawn.weights * ratio.among
        groups = drawn.groups.effective(sizes)
        if groups < 1 + 1e-9:
            return None
        of_row = np.divide(
            ratio.counted, ratio.among, out=np.full(len(sizes), share), where=ratio.among > 0
        )
        total /= drawn.groups.inflation(of_row - share, sizes, share * (1 - share) * total)
        total *= (quantile(level) / quantile(level, groups - 1)) ** 2
    interval = of_counts(share * total, total, level)
    return Interval(ratio.metric(interval.low), ratio.metric(interval.high))


def of_share_change(ours: Ratio, theirs: Ratio, drawn: Drawn, level: float) -> Interval | None:
    """The interval of the difference between two such metrics of the same rows.

    For shares of the same rows it is the adjusted Wald interval of D. Bonett and R. Price (J. Educ.
    Behav. Stat. 37, 2012), which M. Fagerland, S. Lydersen and P. Laake (Stat. Med. 33, 2014)
    recommend: one row is added that only we count, and one that only they count. Otherwise, as for
    F1, a row is added that is among ours only, and one that is among theirs only, and the standard
    error is that of the delta method. Groups and weights reduce the rows as for a share.
    """
    pair = _Pair(ours, theirs, drawn.weights)
    if not (size := pair.size()):
        return None
    freedom = INFINITE
    if not drawn.plain:
        among = np.maximum(ours.among, theirs.among) * drawn.weights
        freedom = drawn.groups.effective(among) - 1
        if freedom < 1e-9:
            return None
        pair = _Pair(ours, theirs, drawn.weights / pair.inflation(drawn.groups, among))
    pair = pair.extended(size, same=bool((ours.among == theirs.among).all()))
    middle, error = pair.difference(), pair.error() * quantile(level, freedom)
    return Interval(max(middle - error, -1.0), min(middle + error, 1.0))


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two ratios of the same rows, and the rows' weights."""

    ours: Ratio
    theirs: Ratio
    weights: Floats

    def size(self) -> float:
        """What one row adds to the denominators, on average over the rows that add something."""
        among = np.maximum(self.ours.among, self.theirs.among)
        return float(among[among > 0].mean()) if (among > 0).any() else 0.0

    def difference(self) -> float:
        return self.ours.value(self.weights) - self.theirs.value(self.weights)

    def influences(self) -> Floats:
        """[rows]: what one more of the row adds to the difference, to first order."""
        return self.ours.influences(self.weights) - self.theirs.influences(self.weights)

    def inflation(self, groups: Groups, sizes: Floats) -> float:
        """The design effect of groups on the difference. sizes: [rows] in the denominators."""
        moved = self.weights * self.influences()
        each = np.divide(moved, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
        return groups.inflation(each, sizes, self.error() ** 2)

    def error(self) -> float:
        """The standard error of the difference, if rows are independent."""
        return float(np.sqrt((self.weights * self.influences() ** 2).sum()))

    def extended(self, size: float, same: bool) -> _Pair:
        """With rows on which the two differ in either direction."""
        counted = np.array([size, 0.0] if same else [size, 0.0, 0.0, 0.0])
        among = np.array([size, size] if same else [size, size, size, 0.0])
        swap = [1, 0] if same else [1, 0, 3, 2]
        return _Pair(
            self.ours.joined(counted, among),
            self.theirs.joined(counted[swap], among[swap]),
            np.append(self.weights, np.ones(len(swap))),
        )


@dataclass(frozen=True, eq=False)
class MeanPivot:
    """The studentised bootstrap of a mean, or of the difference between two means of the same rows:
    B. Efron and R. Tibshirani, An Introduction to the Bootstrap (1993), section 12.5.

    Sums of whole groups are drawn, so that rows of a group may depend on each other in any way.
    sums: [groups] of what is averaged, for one or two models. among: [groups] of the denominator.
    A value is studentised as its logarithm, because it is positive.
    """

    sums: tuple[Floats, ...]
    among: Floats
    root: bool

    @classmethod
    def of(cls, ratios: tuple[Ratio, ...], drawn: Drawn) -> MeanPivot:
        sums = tuple(drawn.groups.totals(drawn.weights * r.counted) for r in ratios)
        among = drawn.groups.totals(drawn.weights * ratios[0].among)
        return cls(sums, among, ratios[0].form == "root")

    def estimate(self, draws: Floats) -> tuple[Floats, Floats]:
        """[k] estimates and [k] standard errors, for draws [k, groups]."""
        total = draws @ self.among
        residuals = np.zeros_like(draws)
        estimate = np.zeros(len(draws))
        for sign, sums in zip((1, -1), self.sums, strict=False):
            with np.errstate(divide="ignore", invalid="ignore"):
                mean = draws @ sums / total
                value, slope = self._form(mean)
                estimate += sign * value
                part = sums - mean[:, None] * self.among
                residuals += sign * slope[:, None] * part
        held = (draws * (self.among > 0)).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = (draws * residuals**2).sum(axis=1) / total**2
            return estimate, np.sqrt(variance * held / (held - 1))

    def _form(self, mean: Floats) -> tuple[Floats, Floats]:
        """The values at these means, and their derivatives."""
        if len(self.sums) == 1:
            half = 0.5 if self.root else 1.0
            return half * np.log(mean), half / mean
        return (np.sqrt(mean), 0.5 / np.sqrt(mean)) if self.root else (mean, np.ones_like(mean))

    def pivots(self, draws: Floats) -> Floats:
        """[k]: how many of their own standard errors resampled values lie from the estimate."""
        estimate, error = self.estimate(draws)
        middle, _ = self.estimate(np.ones((1, draws.shape[1])))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((estimate - middle[0]) / error)

    def interval(self, pivots: Floats, level: float) -> Interval | None:
        estimates, errors = self.estimate(np.ones((1, len(self.among))))
        estimate, error = float(estimates[0]), float(errors[0])
        defined = pivots[np.isfinite(pivots)]
        if error == 0:
            low = high = estimate
        elif not np.isfinite(error) or len(defined) < 0.9 * len(pivots):
            return None
        else:
            below, above = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
            low, high = estimate - float(above) * error, estimate - float(below) * error
        if len(self.sums) == 1:
            low, high = float(np.exp(low)), float(np.exp(high))
        return Interval(low, high)
