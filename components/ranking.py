"""How well scores put the positive rows first: ROC and precision-recall curves and their areas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.arrow import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CURVE_POINTS = 101


@dataclass(frozen=True)
class Ranking:
    """Counts above each distinct score, from the highest score down.

    thresholds: float64 [points], the scores.
    hits, claims: float64 [points], positives and rows at or above each.
    """

    thresholds: Floats
    hits: Floats
    claims: Floats

    @staticmethod
    def of(yes: NDArray[np.bool_], scores: Floats) -> Ranking:
        """Rank rows: yes [rows] says which are positive."""
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        hits = np.cumsum(yes[order], dtype=np.float64)[last]
        return Ranking(ranked[last], hits, (last + 1).astype(np.float64))

    def auc(self) -> float | None:
        """Area under the ROC curve; None unless there are both classes."""
        rates = self._rates()
        return None if rates is None else float(np.trapezoid(rates[1], rates[0]))

    def average_precision(self) -> float | None:
        """Area under the precision-recall curve, as a sum of steps; None without positives."""
        if not self.hits[-1]:
            return None
        gained = np.diff(self.hits, prepend=0) / self.hits[-1]
        return float((gained * self.hits / self.claims).sum())

    def best_f1(self) -> tuple[float, float] | None:
        """The highest F1, and its threshold: scores at or above it count as positive."""
        if not self.hits[-1]:
            return None
        f1 = 2 * self.hits / (self.claims + self.hits[-1])
        return float(f1.max()), float(self.thresholds[f1.argmax()])

    def roc(self) -> tuple[tuple[float, float], ...]:
        """(false positive rate, true positive rate), thinned; empty with one class only."""
        rates = self._rates()
        return () if rates is None else _thinned(*rates)

    def precision_recall(self) -> tuple[tuple[float, float], ...]:
        """(recall, precision), thinned; empty without positives."""
        if not self.hits[-1]:
            return ()
        return _thinned(self.hits / self.hits[-1], self.hits / self.claims)

    def _rates(self) -> tuple[Floats, Floats] | None:
        """False and true positive rates, from (0, 0); None unless there are both classes."""
        misses = self.claims - self.hits
        if not self.hits[-1] or not misses[-1]:
            return None
        return np.append(0, misses / misses[-1]), np.append(0, self.hits / self.hits[-1])


def _thinned(x: Floats, y: Floats) -> tuple[tuple[float, float], ...]:
    """At most `CURVE_POINTS` points, spread evenly along both axes; the ends are kept."""
    along = np.cumsum(np.abs(np.diff(x, prepend=x[0])) + np.abs(np.diff(y, prepend=y[0])))
    kept = np.searchsorted(along, np.linspace(0, along[-1], CURVE_POINTS))
    kept = np.unique(np.append(kept.clip(max=len(x) - 1), [0, len(x) - 1]))
    return tuple(zip(x[kept].round(6).tolist(), y[kept].round(6).tolist(), strict=True))
