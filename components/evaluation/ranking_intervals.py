"""Confidence intervals of areas under ROC curves, and of their differences.

DeLong's variance is that of placements: the share of negative rows that a positive row is ranked
above, and the reverse. Both are sums over rows, so that groups of rows add up (N. Obuchowski,
Biometrics 53, 1997). With few positive rows, or an area near 1, that variance is itself uncertain
and often 0, and an interval from it alone passes a model wrongly. So it is never below the variance
of J. Hanley and B. McNeil (Radiology 143, 1982), the area is moved towards 1/2 by half a row, and
Student's t counts the rarer class.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.data.lazy import Floats, np
from components.evaluation.groups import Groups
from components.evaluation.intervals import Interval, quantile
from components.evaluation.metrics.family import Scores
from components.evaluation.ratios import Drawn

FEWEST = 2
"""Effective groups of either class below which nothing is known about the spread."""


@dataclass(frozen=True, eq=False)
class Placements:
    """The area, and how far groups of rows move it.

    influences: [groups], what each adds to it; their squares add up to its variance. units:
    effective positive and negative rows, by the design effect of groups and weights. rarer:
    effective groups of the rarer class.
    """

    area: float
    influences: Floats
    units: tuple[float, float]
    rarer: float

    @property
    def variance(self) -> float:
        """DeLong's, over groups."""
        return float((self.influences**2).sum())

    @property
    def shrunk(self) -> float:
        """The area, moved towards 1/2 by half a row of the rarer class on either side."""
        return (self.area * self.rarer + 0.5) / (self.rarer + 1)

    @property
    def cautious(self) -> float:
        """The larger of DeLong's variance, and Hanley's and McNeil's at the shrunk area."""
        return max(self.variance, hanley_mcneil(self.shrunk, *self.units))


def placements(of: Scores, drawn: Drawn) -> Placements | None:
    """None if a class does not occur."""
    groups, weights = drawn.groups, drawn.weights
    if of.repeats > 1:
        groups = Groups(np.repeat(groups.codes, of.repeats), groups.count)
        weights = np.repeat(weights, of.repeats)
    _, rank = np.unique(of.scores, return_inverse=True)
    classes = [of.yes, ~of.yes]
    totals = [float(weights[rows].sum()) for rows in classes]
    if not all(totals):
        return None
    above = [_above(rank, weights * rows) for rows in classes]
    placed = np.where(of.yes, above[1] / totals[1], 1 - above[0] / totals[0])
    area = float((weights * placed)[of.yes].sum() / totals[0])
    influences, units, held = np.zeros(groups.count), [], []
    for rows, total in zip(classes, totals, strict=True):
        sizes = weights * rows * (rows.sum() / total)
        deviations = np.where(rows, placed - area, 0.0)
        influences += groups.spread_of(deviations, sizes) / sizes.sum()
        units.append(float(sizes.sum()) / groups.inflation(deviations, sizes))
        held.append(groups.effective(sizes))
    return Placements(area, influences, (units[0], units[1]), min(held))


def _above(rank: np.ndarray, weights: Floats) -> Floats:
    """[rows]: the weight of rows below each row's score, and half of that at it."""
    at = np.bincount(rank, weights)
    return np.asarray((np.cumsum(at) - at / 2)[rank])


def of_area(found: Placements, level: float) -> Interval | None:
    """The interval of an area: Student's on the logit, joined with R. Newcombe's score interval
    (Stat. Med. 25, 2006, part 2, method 5).
    """
    if found.rarer < FEWEST:
        return None
    from scipy.special import expit, logit

    area = found.shrunk
    reach = quantile(level, found.rarer - 1) * found.cautious**0.5 / (area * (1 - area))
    score = newcombe(found.area, *found.units, quantile(level))
    low, high = expit(logit(area) - reach), expit(logit(area) + reach)
    return Interval(float(min(low, score.low)), float(max(high, score.high)))


def of_area_change(ours: Placements, theirs: Placements, level: float) -> Interval | None:
    """The interval of the difference between two areas of the same rows, from the correlation of
    E. DeLong, D. DeLong and D. Clarke-Pearson (Biometrics 44, 1988) and the variances of `of_area`.
    The fewer rows of the rarer class there are, the smaller the correlation is taken to be: those
    on which the models differ most may be missing.
    """
    if ours.rarer < FEWEST:
        return None
    both = float(ours.influences @ theirs.influences)
    spread = (ours.variance * theirs.variance) ** 0.5
    correlation = both / spread * ours.rarer**2 / (ours.rarer**2 + 1) if spread else 0.0
    own, other = ours.cautious, theirs.cautious
    variance = own + other - 2 * correlation * (own * other) ** 0.5
    change, reach = ours.area - theirs.area, quantile(level, ours.rarer - 1) * variance**0.5
    return Interval(max(change - reach, -1.0), min(change + reach, 1.0))


def hanley_mcneil(area: float, positives: float, negatives: float) -> float:
    """The variance of an area, in Newcombe's symmetric form."""
    others = (positives + negatives) / 2 - 1
    spread = (1 - area) / (2 - area) + area / (1 + area)
    return area * (1 - area) * (1 + max(others, 0.0) * spread) / (positives * negatives)


def newcombe(area: float, positives: float, negatives: float, reach: float) -> Interval:
    """Areas from which the observed one differs by no more than `reach` standard errors."""
    from scipy.optimize import brentq

    def beyond(true: float) -> float:
        return (area - true) ** 2 - reach**2 * hanley_mcneil(true, positives, negatives)

    low = brentq(beyond, 0.0, area) if area > 0 and beyond(0.0) > 0 else 0.0
    high = brentq(beyond, area, 1.0) if area < 1 and beyond(1.0) > 0 else 1.0
    return Interval(float(low), float(high))
