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
) -> list[dict[str, Interval]]:
    """Intervals by metric: of the first model's values and, if there are two models, of the
    differences between their values.

    models: what one or two models answer for the same rows. A metric without an interval is left
    out. The bootstrap is used with at least `FEW` effective rows or groups only.
    """
    drawn = evidence.drawn
    of_all = [_Intervals(family, models[:n], evidence, confidence.level) for n in (1, 2)]
    of_all = of_all[: len(models)]
    if any(of.resampled for of in of_all):
        for draws in resamples(drawn.groups.count, confidence, len(drawn.weights)):
            weights = drawn.groups.spread(draws) * drawn.weights
            values = [family.values(rows, weights) for rows in models] if of_all[0].others else []
            for of in of_all:
                of.add(draws, values)
    return [of.all() for of in of_all]


class _Intervals:
    """The intervals of one model's values, or of the differences between two models' values."""

    def __init__(
        self, family: Family, models: Sequence[Predictions], evidence: Evidence, level: float
    ) -> None:
        drawn = evidence.drawn
        ratios = _by_metric([family.ratios(rows) for rows in models])
        rankings = _by_metric([family.rankings(rows) for rows in models])
        self.found: dict[str, Interval | None] = {}
        for metric, shares in ratios.items():
            if shares[0].is_share and all(r.among.any() for r in shares):
                self.found[metric] = _of_shares(shares, drawn, level)
        for metric, scores in rankings.items():
            self.found[metric] = _of_ranking(scores, drawn, level)
        self.units = evidence.rarest if family.rare_rows_decide else evidence.every
        self.rarest, self.level, self.models = evidence.rarest, level, len(models)
        self.means: dict[str, MeanPivot] = {}
        if self.units >= FEW:
            means = {m: r for m, r in ratios.items() if not r[0].is_share}
            self.means = {m: MeanPivot.of(r, drawn) for m, r in means.items()}
        self.others: set[str] = set()
        if self.rarest >= FEW:
            closed = ratios.keys() | rankings.keys() | family.without_interval
            self.others = {*family.names} - closed
        self.pivots: dict[str, list[Floats]] = {m: [] for m in self.means}
        self.values: dict[str, list[Floats]] = {m: [] for m in self.others}
        once = [family.values(rows, drawn.weights[None, :]) for rows in models]
        self.estimates = {m: float(self._of(once, m)[0]) for m in self.others}

    @property
    def resampled(self) -> bool:
        return bool(self.means or self.others)

    def add(self, draws: Floats, values: Sequence[Mapping[str, Floats]]) -> None:
        """Add resamples. draws: [k, groups]. values: by model, [k] by metric."""
        for metric, pivot in self.means.items():
            self.pivots[metric].append(pivot.pivots(draws))
        for metric in self.others:
            self.values[metric].append(self._of(values, metric))

    def all(self) -> dict[str, Interval]:
        found = dict(self.found)
        for metric, blocks in self.pivots.items():
            level = widened(self.level, self.units)
            found[metric] = self.means[metric].interval(np.concatenate(blocks), level)
        for metric, blocks in self.values.items():
            level = widened(self.level, self.rarest)
            found[metric] = percentile(np.concatenate(blocks), self.estimates[metric], level)
        return {metric: interval for metric, interval in found.items() if interval}

    def _of(self, models: Sequence[Mapping[str, Floats]], metric: str) -> Floats:
        own, *other = (of[metric] for of in models[: self.models])
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
