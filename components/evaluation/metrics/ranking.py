"""How well scores rank positive rows above negative ones: ROC and precision-recall curves."""

from __future__ import annotations

from dataclasses import dataclass

from components.data.lazy import Floats, Mask, np
from components.evaluation.metrics.arrays import divided

CURVE_POINTS = 101


@dataclass(frozen=True)
class Ranking:
    """Cumulative weights by score, from the highest score down, for k weightings of the rows.

    thresholds: float64 [points], the distinct scores.
    hits, claims: float64 [k, points], the weight of true positives and of predicted positives, if
        rows at or above each score are predicted positive.
    """

    thresholds: Floats
    hits: Floats
    claims: Floats

    @staticmethod
    def of(yes: Mask, scores: Floats, weights: Floats) -> Ranking:
        """Rank rows. yes: bool [rows], which are positive. scores: [rows]. weights: [k, rows]."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        sorted_weights = weights[:, order]
        claims = np.cumsum(sorted_weights, axis=1)[:, last]
        hits = np.cumsum(sorted_weights * yes[order], axis=1)[:, last]
        return Ranking(ranked[last], hits, claims)

    def auc(self) -> Floats:
        """[k] areas under the ROC curve; NaN unless both classes occur."""
        misses = self.claims - self.hits
        false_rates, true_rates = _shares(misses), _shares(self.hits)
        y, x = (np.insert(rates, 0, 0.0, axis=1) for rates in (true_rates, false_rates))
        return np.asarray(np.trapezoid(y, x, axis=1))

    def average_precision(self) -> Floats:
        """[k] average precisions: the precision-recall area by steps; NaN without positives."""
        steps = np.diff(_shares(self.hits), axis=1, prepend=0)
        return np.asarray((steps * self._precision()).sum(axis=1))

    def best_f1(self) -> tuple[Floats, Floats]:
        """[k] highest F1 values, and the thresholds that reach them; NaN without positives."""
        positives = self.hits[:, -1:]
        f1 = divided(2 * self.hits, self.claims + positives)
        f1[positives[:, 0] <= 0] = np.nan
        best = f1.max(axis=1)
        return best, np.where(np.isnan(best), np.nan, self.thresholds[f1.argmax(axis=1)])

    def precision_at_recall(self, recall: float) -> Floats:
        """[k] highest precisions where recall is at least this; NaN without positives."""
        reached = _shares(self.hits) >= recall - 1e-12
        best = np.where(reached, self._precision(), 0.0).max(axis=1)
        return np.where(self.hits[:, -1] > 0, best, np.nan)

    def roc(self) -> tuple[tuple[float, float], ...]:
        """(false positive rate, true positive rate) of the first weighting, thinned; empty if only
        one class occurs.
        """
        false_rates, true_rates = _shares(self.claims - self.hits)[0], _shares(self.hits)[0]
        if np.isnan(false_rates[-1]) or np.isnan(true_rates[-1]):
            return ()
        return _thinned(np.append(0, false_rates), np.append(0, true_rates))

    def precision_recall(self) -> tuple[tuple[float, float], ...]:
        """(recall, precision) of the first weighting, thinned; empty without positives."""
        if not self.hits[0, -1]:
            return ()
        return _thinned(_shares(self.hits)[0], self._precision()[0])

    def _precision(self) -> Floats:
        return np.where(self.claims > 0, divided(self.hits, self.claims), 0.0)


def _shares(running: Floats) -> Floats:
    return divided(running, running[:, -1:])


def _thinned(x: Floats, y: Floats) -> tuple[tuple[float, float], ...]:
    """At most `CURVE_POINTS` points, spread evenly along both axes; the ends are kept."""
    along = np.cumsum(np.abs(np.diff(x, prepend=x[0])) + np.abs(np.diff(y, prepend=y[0])))
    kept = np.searchsorted(along, np.linspace(0, along[-1], CURVE_POINTS))
    kept = np.unique(np.append(kept.clip(max=len(x) - 1), [0, len(x) - 1]))
    return tuple(zip(x[kept].round(6).tolist(), y[kept].round(6).tolist(), strict=True))
