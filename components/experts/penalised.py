"""L2-penalised linear models of many subsets of the same rows, solved together to convergence."""

from __future__ import annotations

from dataclasses import dataclass, replace

from components.data.lazy import Floats, Mask, np
from components.labels.point_losses import PointLoss

MEMORY = 10
"""Steps that L-BFGS remembers."""
STEPS = 1000
HALVINGS = 40
DECREASE = 1e-4
"""Share of the decrease promised by the slope that a step must give (Armijo)."""
PRECISION = 1e-13
"""Relative change of a value that may be rounding."""
TINY = 1e-300
IMPOSSIBLE = -1e9
"""Logit of a class that no row has."""


@dataclass(frozen=True)
class Basis:
    """Columns rotated to their principal axes, which leaves an L2 penalty as it is.

    There the curvature of every model is about diagonal, so few steps suffice, and wide inputs of
    few rows have no more coordinates than rows.

    coordinates: float64 [rows, 1 + axes]; the first is 1, for the intercept.
    squares: means of their squares [1 + axes]. rotation: float64 [columns, axes].
    """

    coordinates: Floats
    squares: Floats
    rotation: Floats

    @classmethod
    def of(cls, columns: Floats) -> Basis:
        """columns: float64 [rows, columns], of mean 0."""
        rows, width = columns.shape
        if width <= rows:
            rotation = np.linalg.eigh(columns.T @ columns)[1]
        else:
            rotation = np.linalg.svd(columns.T, full_matrices=False)[0]
        coordinates = np.concatenate([np.ones((rows, 1)), columns @ rotation], axis=1)
        squares = np.einsum("ni,ni->i", coordinates, coordinates) / rows
        return cls(coordinates, squares, rotation)


@dataclass(frozen=True)
class Models:
    """Linear models of one objective, each of its own rows of a basis.

    Coefficients are float64 [1 + axes, models, outputs], the intercept first; margins float64
    [rows, models, outputs].

    targets: float64 [rows, outputs]. weights: float64 [rows, models]; 0 for rows left out.
    penalties: float64 [models]: half of it times the sum of squares of all coefficients but the
        intercept is added to the weighted sum of losses.
    """

    basis: Basis
    loss: PointLoss
    targets: Floats
    weights: Floats
    penalties: Floats

    def only(self, which: Mask) -> Models:
        """Some of the models. which: bool [models]."""
        return replace(self, weights=self.weights[:, which], penalties=self.penalties[which])

    def constant(self) -> Floats:
        """Coefficients of models that have only an intercept."""
        best = self.loss.constant(self.weights.T @ self.targets, self.weights.sum(axis=0))
        coefficients = np.zeros((len(self.basis.squares), *best.shape))
        coefficients[0] = best
        return coefficients

    def absent(self) -> Mask:
        """Bool [models, outputs]: outputs that no row has; all of them if there is no choice."""
        return self.loss.absent(self.weights.T @ self.targets, self.weights.sum(axis=0))

    def margins(self, coefficients: Floats) -> Floats:
        flat = coefficients.reshape(len(coefficients), -1)
        return (self.basis.coordinates @ flat).reshape(-1, *coefficients.shape[1:])

    def losses(self, margins: Floats) -> Floats:
        """Of each row, float64 [rows, models]."""
        return self.loss.values(margins, self.targets)

    def value(self, margins: Floats, coefficients: Floats) -> Floats:
        """float64 [models]."""
        fit = np.einsum("nk,nk->k", self.weights, self.losses(margins))
        return np.asarray(fit + 0.5 * self.penalties * _dot(coefficients[1:], coefficients[1:]))

    def gradient(self, margins: Floats, coefficients: Floats) -> Floats:
        """Of `value` by the coefficients."""
        slopes = self.weights[..., None] * self.loss.gradients(margins, self.targets)
        flat = self.basis.coordinates.T @ slopes.reshape(len(slopes), -1)
        gradient = flat.reshape(coefficients.shape)
        gradient[1:] += self.penalties[:, None] * coefficients[1:]
        return gradient

    def scale(self) -> Floats:
        """About the inverse of the diagonal of the second derivative, [1 + axes, models, 1]."""
        rows = self.weights.sum(axis=0)
        curvature = self.loss.curvature(self.weights.T @ self.targets, rows)
        diagonal = self.basis.squares[:, None] * curvature
        diagonal[1:] += self.penalties
        return 1 / np.maximum(diagonal, 1e-12)[..., None]


def solve(models: Models, start: Floats, tolerance: float) -> Floats:
    """The coefficients that minimise the value of each model.

    L-BFGS with backtracking (Nocedal and Wright 2006, algorithms 7.4 and 3.1) on all models at
    once. The margin of a class that no row has is that of the constant model; if there is no
    choice of classes, all are.

    start: coefficients. tolerance: a model has converged when a step along the scaled gradient
        promises to reduce its mean loss by less.
    """
    absent, result = models.absent(), models.constant()
    fixed = np.asarray(absent.all(axis=1))
    index, search = np.flatnonzero(~fixed), _Search.of(models, start, absent).only(~fixed)
    for _ in range(STEPS):
        going = search.promise() > tolerance
        done = index[~going]
        result[:, done] = np.where(absent[done], result[:, done], search.at[:, ~going])
        if not going.any():
            return result
        if not going.all():
            index, search = index[going], search.only(going)
        search = search.moved()
    result[:, index] = np.where(absent[index], result[:, index], search.at)
    return result


@dataclass(frozen=True)
class _Search:
    """A state of L-BFGS: of models, their coefficients and what follows from them.

    scale: see `Models.scale`. history: steps and changes of the gradient, newest last.
    """

    models: Models
    scale: Floats
    at: Floats
    margins: Floats
    value: Floats
    gradient: Floats
    history: tuple[tuple[Floats, Floats], ...] = ()

    @classmethod
    def of(cls, models: Models, start: Floats, absent: Mask) -> _Search:
        at = np.where(absent, 0.0, start)
        margins = models.margins(at) + np.where(absent, IMPOSSIBLE, 0.0)
        value, gradient = models.value(margins, at), models.gradient(margins, at)
        return cls(models, models.scale(), at, margins, value, gradient)

    def only(self, which: Mask) -> _Search:
        """The search for some of the models. which: bool [models]."""
        return _Search(
            self.models.only(which),
            self.scale[:, which],
            self.at[:, which],
            self.margins[:, which],
            self.value[which],
            self.gradient[:, which],
            tuple((step[:, which], change[:, which]) for step, change in self.history),
        )

    def promise(self) -> Floats:
        """By how much a step along the scaled gradient would reduce the mean loss, [models]."""
        rows = np.maximum(self.models.weights.sum(axis=0), 1)
        return np.asarray(_dot(self.gradient, self.scale * self.gradient) / rows)

    def moved(self) -> _Search:
        """After one step of each model."""
        direction = -self._newton(self.gradient)
        along, slope = self.models.margins(direction), _dot(direction, self.gradient)
        rounding = PRECISION * np.abs(self.value)
        length = np.ones(len(self.value))
        for _ in range(HALVINGS):
            at = self.at + length[:, None] * direction
            margins = self.margins + length[:, None] * along
            with np.errstate(over="ignore", invalid="ignore"):
                value = self.models.value(margins, at)
            low = value <= self.value + DECREASE * length * slope + rounding
            if low.all():
                break
            length = np.where(low, length, length / 2)
        gradient = self.models.gradient(margins, at)
        latest = (at - self.at, gradient - self.gradient)
        history = (*self.history[1 - MEMORY :], latest)
        return replace(
            self, at=at, margins=margins, value=value, gradient=gradient, history=history
        )

    def _newton(self, left: Floats) -> Floats:
        """About the inverse of the second derivative times `left`, by L-BFGS's two loops."""
        shares = []
        for step, change in reversed(self.history):
            share = _dot(step, left) / np.maximum(_dot(step, change), TINY)
            shares.append(share)
            left = left - share[:, None] * change
        left = self.scale * left
        if self.history:
            step, change = self.history[-1]
            ratio = _dot(step, change) / np.maximum(_dot(change, self.scale * change), TINY)
            left = np.maximum(ratio, TINY)[:, None] * left
        for (step, change), share in zip(self.history, reversed(shares), strict=True):
            back = _dot(change, left) / np.maximum(_dot(step, change), TINY)
            left = left + (share - back)[:, None] * step
        return left


def _dot(a: Floats, b: Floats) -> Floats:
    """Inner products of coefficients, float64 [models]."""
    return np.asarray(np.einsum("ikc,ikc->k", a, b))
