"""Losses of one row that classical models minimise: value, gradient and the best constant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from components.data.lazy import Floats, Mask, np
from components.labels.base import Loss

MOST_LOG = 40.0
"""Largest logarithm of a rate, 2e17, while a solver tries a step that is too long."""


class PointLoss(ABC):
    """Convex in the margins. Shapes: rows n, models k, outputs c.

    second: the largest second derivative.
    """

    second: ClassVar[float] = 1.0

    def targets(self, labels: Floats, outputs: int) -> Floats:
        """float64 [n, c] from an `Objective`'s labels; missing is 0."""
        return np.nan_to_num(labels)[:, None]

    @abstractmethod
    def values(self, margins: Floats, targets: Floats) -> Floats:
        """float64 [n, k] from [n, k, c] and [n, c]."""

    @abstractmethod
    def gradients(self, margins: Floats, targets: Floats) -> Floats:
        """Derivatives of the values by the margins, [n, k, c]."""

    def constant(self, totals: Floats, rows: Floats) -> Floats:
        """About the best margins that are the same for all rows, finite also where a class lacks.

        totals: sum of targets [k, c]. rows: how many [k].
        """
        return totals / np.maximum(rows, 1)[:, None]

    def absent(self, totals: Floats, rows: Floats) -> Mask:
        """Bool [k, c]: outputs whose best margin is infinite, because no row has the class."""
        return np.zeros(totals.shape, bool)

    def dispersion(self, loss: float) -> float:
        """The factor between a mean loss and a negative log-likelihood: 1 where the loss is one.

        loss: the mean loss of a good model. Of squared errors it is half the variance of the noise.
        """
        return 1.0

    def curvature(self, totals: Floats, rows: Floats) -> Floats:
        """About the largest sum of second derivatives over the rows, [k]."""
        return self.second * rows


class Logistic(PointLoss):
    second = 0.25

    def values(self, margins: Floats, targets: Floats) -> Floats:
        return (np.logaddexp(0, margins) - targets[:, None] * margins)[..., 0]

    def gradients(self, margins: Floats, targets: Floats) -> Floats:
        return 0.5 + 0.5 * np.tanh(0.5 * margins) - targets[:, None]

    def constant(self, totals: Floats, rows: Floats) -> Floats:
        return np.log(totals + 0.5) - np.log(rows[:, None] - totals + 0.5)

    def absent(self, totals: Floats, rows: Floats) -> Mask:
        return np.asarray((totals == 0) | (totals == rows[:, None]))


class Softmax(PointLoss):
    second = 0.5

    def targets(self, labels: Floats, outputs: int) -> Floats:
        return np.asarray((labels[:, None] == np.arange(outputs)).astype(np.float64))

    def values(self, margins: Floats, targets: Floats) -> Floats:
        top = margins.max(axis=-1)
        log_sum = top + np.log(np.exp(margins - top[..., None]).sum(axis=-1))
        return np.asarray(log_sum - np.einsum("nkc,nc->nk", margins, targets))

    def gradients(self, margins: Floats, targets: Floats) -> Floats:
        exp = np.exp(margins - margins.max(axis=-1, keepdims=True))
        return np.asarray(exp / exp.sum(axis=-1, keepdims=True) - targets[:, None])

    def constant(self, totals: Floats, rows: Floats) -> Floats:
        logs = np.log(totals + 0.5)
        return np.asarray(logs - logs.mean(axis=1, keepdims=True))

    def absent(self, totals: Floats, rows: Floats) -> Mask:
        none = totals == 0
        return np.asarray(none | (none.sum(axis=1, keepdims=True) >= none.shape[1] - 1))


class Squared(PointLoss):
    def values(self, margins: Floats, targets: Floats) -> Floats:
        return 0.5 * (margins - targets[:, None])[..., 0] ** 2

    def gradients(self, margins: Floats, targets: Floats) -> Floats:
        return margins - targets[:, None]

    def dispersion(self, loss: float) -> float:
        return 2 * loss


class Huber(PointLoss):
    """Threshold 1, as in the head of the task."""

    def values(self, margins: Floats, targets: Floats) -> Floats:
        distance = np.abs(margins - targets[:, None])[..., 0]
        near = np.minimum(distance, 1)
        return near * (distance - 0.5 * near)

    def gradients(self, margins: Floats, targets: Floats) -> Floats:
        return np.clip(margins - targets[:, None], -1, 1)

    def dispersion(self, loss: float) -> float:
        return 2 * loss


class Poisson(PointLoss):
    def values(self, margins: Floats, targets: Floats) -> Floats:
        return (_rate(margins) - targets[:, None] * margins)[..., 0]

    def gradients(self, margins: Floats, targets: Floats) -> Floats:
        return _rate(margins) - targets[:, None]

    def constant(self, totals: Floats, rows: Floats) -> Floats:
        return np.log(totals + 0.5) - np.log(rows[:, None] + 0.5)

    def absent(self, totals: Floats, rows: Floats) -> Mask:
        return np.asarray(totals == 0)

    def curvature(self, totals: Floats, rows: Floats) -> Floats:
        return totals[:, 0]


def _rate(margins: Floats) -> Floats:
    return np.exp(np.minimum(margins, MOST_LOG))


LOSSES: Mapping[Loss, PointLoss] = {
    "logistic": Logistic(),
    "softmax": Softmax(),
    "squared": Squared(),
    "huber": Huber(),
    "poisson": Poisson(),
}
