"""What chance may have added to metrics: the confidence interval of each, or why it has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from components.data.lazy import Floats, np
from components.evaluation.intervals import Confidence, Interval, percentile, resamples, widened
from components.evaluation.metrics import Family, Predictions, Ratio, Scores
from components.evaluation.ranking_intervals import of_area, of_area_change, placements
from components.evaluation.ratios import Drawn, MeanPivot, of_share, of_share_change
from components.evaluation.support import FEW

T = TypeVar("T")


@dataclass(frozen=True)
class Evidence:
    """How rows were drawn, and how many effective rows or groups of rows there are: in all, and of
    the rarest class.
    """

    drawn: Drawn
    every: float
    rarest: float


def intervals_of(
    family: Family, models: Sequence[Predictions], evidence: Evidence, confidence: Confidence
) -> dict[str, Interval]:
    """Intervals by metric: of one model's values, or of the differences between two models' values.

    models: what one or two models answer for the same rows. A metric without an interval is left
    out. The bootstrap is used with at least `FEW` effective rows or groups only.
    """
    drawn = evidence.drawn
    ratios = _by_metric([family.ratios(rows) for rows in models])
    rankings = _by_metric([family.rankings(rows) for rows in models])
    level, found = confidence.level, dict[str, Interval | None]()
    for metric, shares in ratios.items():
        if shares[0].is_share and all(r.among.any() for r in shares):
            found[metric] = _of_shares(shares, drawn, level)
    for metric, scores in rankings.items():
        found[metric] = _of_ranking(scores, drawn, level)
    for_means = evidence.rarest if family.rare_rows_decide else evidence.every
    means: dict[str, MeanPivot] = {}
    if for_means >= FEW:
        means = {m: MeanPivot.of(r, drawn) for m, r in ratios.items() if not r[0].is_share}
    others: set[str] = set()
    if evidence.rarest >= FEW:
        others = {*family.names} - found.keys() - ratios.keys() - family.without_interval
    if not means and not others:
        return _known(found)
    pivots: dict[str, list[Floats]] = {m: [] for m in means}
    values: dict[str, list[Floats]] = {m: [] for m in others}
    once = [family.values(rows, drawn.weights[None, :]) for rows in models] if others else []
    for draws in resamples(drawn.groups.count, confidence, len(drawn.weights)):
        for metric, pivot in means.items():
            pivots[metric].append(pivot.pivots(draws))
        if others:
            weights = drawn.groups.spread(draws) * drawn.weights
            by_model = [family.values(rows, weights) for rows in models]
            for metric in others:
                values[metric].append(_difference(by_model, metric))
    for metric, blocks in pivots.items():
        found[metric] = means[metric].interval(np.concatenate(blocks), widened(level, for_means))
    for metric, blocks in values.items():
        estimate, wide = float(_difference(once, metric)[0]), widened(level, evidence.rarest)
        found[metric] = percentile(np.concatenate(blocks), estimate, wide)
    return _known(found)


def _difference(models: Sequence[Mapping[str, Floats]], metric: str) -> Floats:
    own, *other = (of[metric] for of in models)
    return own - other[0] if other else own


def _by_metric(models: Sequence[Mapping[str, T]]) -> dict[str, tuple[T, ...]]:
    return {metric: tuple(of[metric] for of in models) for metric in models[0]}


def _of_shares(shares: tuple[Ratio, ...], drawn: Drawn, level: float) -> Interval | None:
    own, *other = shares
    if other:
        return of_share_change(own, other[0], drawn, level)
    return of_share(own, drawn, level)


def _of_ranking(scores: tuple[Scores, ...], drawn: Drawn, level: float) -> Interval | None:
    placed = [p for s in scores if (p := placements(s, drawn))]
    if len(placed) < len(scores):
        return None
    own, *other = placed
    return of_area_change(own, other[0], level) if other else of_area(own, level)


def _known(found: Mapping[str, Interval | None]) -> dict[str, Interval]:
    return {metric: interval for metric, interval in found.items() if interval}
