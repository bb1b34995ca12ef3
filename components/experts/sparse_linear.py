"""Linear models on sparse features, solved to convergence, with margins on the scale of a head.

The solver is LIBLINEAR (Fan et al. 2008): L2 logistic regression, or ridge regression for numbers.
The strength of a fold's penalty, and the scale and offset that turn its margins into logits (Platt
1999, section 2.2), come from rows outside the fold, each judged by a model without its own fold.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from components.data.lazy import np
from components.labels.base import Loss, Objective

Scale = Literal["logistic", "squared", "poisson"]

CHOOSING = 4000
"""Rows that choose the strength of a penalty and its scale."""
FEW = 1000
"""Rows up to which every pair of folds is left out once."""
STRENGTHS = {
    "logistic": (1.0, 10.0, 100.0),
    "squared": (0.1, 1.0, 10.0),
    "poisson": (0.1, 1.0, 10.0),
}
"""LIBLINEAR's C: the inverse of the penalty."""
FAR = 3.0
"""Robust standard deviations to which labels with Huber's loss are limited."""
FLOOR = 0.1
"""Least scale of a margin, so that an expert that looks worthless with few rows still ranks."""
STEPS = 50
"""At most, of Newton's method for a scale and an offset."""
LARGEST = 30.0
"""Largest margin whose exponential is computed."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """The label of one raw output: float64 [rows] with NaN for missing."""

    scale: Scale
    labels: np.ndarray


def columns(objective: Objective) -> Sequence[Column]:
    """One for each raw output; a class of a softmax is fitted against all others."""
    labels = objective.labels
    if objective.loss == "softmax":
        unknown = np.where(np.isnan(labels), np.nan, 0.0)
        return [
            Column(scale="logistic", labels=(labels == k) + unknown) for k in range(objective.units)
        ]
    scales: dict[Loss, Scale] = {"logistic": "logistic", "poisson": "poisson"}
    if objective.loss == "huber":
        labels = np.clip(labels, -FAR, FAR)
    return [Column(scale=scales.get(objective.loss, "squared"), labels=labels)]


def solved(
    column: Column, features: Any, folds: np.ndarray, count: int, seed: int
) -> Iterator[tuple[np.ndarray, float]]:
    """Coefficients float32 [width] and the intercept of each fold's model, fitted without it.

    features: float32 SciPy CSR matrix [rows, width]. folds: int64 [rows], below `count`.
    """
    known = np.flatnonzero(~np.isnan(column.labels))
    labels, folds, features = column.labels[known], folds[known], features[known]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(known))[:CHOOSING])
    judged = list(
        _judged(column.scale, features[chosen], labels[chosen], folds[chosen], count, seed)
    )
    for fold in range(count):
        others = folds != fold
        own = [j for j in judged if fold in j.without]
        best, scale, offset = _choice(column.scale, own, fold)
        weights, intercept = _fit(column.scale, features[others], labels[others], best, seed)
        yield (scale * weights).astype(np.float32), float(scale * intercept + offset)


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Margins [strengths, rows] of the rows of two folds, by models without both.

    Those of one fold serve to choose for the other, whose rows then had no part in it.
    """

    without: tuple[int, int]
    folds: np.ndarray
    labels: np.ndarray
    margins: np.ndarray


def _judged(
    scale: Scale, features: Any, labels: np.ndarray, folds: np.ndarray, count: int, seed: int
) -> Iterator[_Judged]:
    pairs = list(combinations(range(count), 2)) if count > 2 else []
    if len(labels) > FEW:  # two other folds say enough of each
        pairs = [(k, (k + 1) % count) for k in range(count)] if count > 2 else []
    for pair in pairs:
        out = np.isin(folds, pair)
        if not out.any() or _constant(labels[~out]):
            continue
        models = [_fit(scale, features[~out], labels[~out], c, seed) for c in STRENGTHS[scale]]
        margins = np.array([features[out] @ w + b for w, b in models])
        yield _Judged(without=pair, folds=folds[out], labels=labels[out], margins=margins)


def _choice(scale: Scale, judged: Sequence[_Judged], fold: int) -> tuple[float, float, float]:
    """The strength, scale and offset with the least loss on rows outside the fold."""
    strengths = STRENGTHS[scale]
    if not judged:
        return strengths[1], 1.0, 0.0
    outside = [j.folds != fold for j in judged]
    labels = np.concatenate([j.labels[o] for j, o in zip(judged, outside, strict=True)])
    margins = np.concatenate(
        [j.margins[:, o] for j, o in zip(judged, outside, strict=True)], axis=1
    )
    if _constant(labels):
        return strengths[1], 1.0, 0.0
    fits = [_calibrated(scale, m, labels) for m in margins]
    best = int(np.argmin([loss for loss, _, _ in fits]))
    return strengths[best], *fits[best][1:]


def _fit(
    scale: Scale, features: Any, labels: np.ndarray, strength: float, seed: int
) -> tuple[np.ndarray, float]:
    """Coefficients [width] and intercept. If all labels are the same, only an intercept."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVR

    if _constant(labels):
        return np.zeros(features.shape[1]), _rate(scale, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # hard to reach for large strengths
        if scale == "logistic":
            classifier = LogisticRegression(
                solver="liblinear", dual=True, C=strength, max_iter=300, tol=1e-3, random_state=seed
            )
            classifier.fit(features, labels > 0)
            return classifier.coef_[0], float(classifier.intercept_[0])
        targets = np.log(labels + 0.5) if scale == "poisson" else labels
        centre = float(targets.mean())
        ridge = LinearSVR(
            loss="squared_epsilon_insensitive",
            epsilon=0.0,
            C=strength,
            max_iter=1000,
            tol=1e-3,
            random_state=seed,
        )
        ridge.fit(features, targets - centre)
        return ridge.coef_, float(np.ravel(ridge.intercept_)[0]) + centre


def _constant(labels: np.ndarray) -> bool:
    return len(labels) == 0 or bool((labels == labels[0]).all())


def _rate(scale: Scale, labels: np.ndarray) -> float:
    """The margin of a label that is always the same, with half a row of each class added."""
    if scale == "squared":
        return float(labels.mean()) if len(labels) else 0.0
    if scale == "poisson":
        return float(np.log((labels.sum() + 0.5) / (len(labels) + 0.5)))
    return float(np.log((labels.sum() + 0.5) / ((1 - labels).sum() + 0.5)))


def _calibrated(
    scale: Scale, margins: np.ndarray, labels: np.ndarray
) -> tuple[float, float, float]:
    """Loss, scale of at least `FLOOR`, and offset of margins, by Newton's method.

    Labels of classes are softened as by Platt, so that few rows do not give an infinite scale.
    """
    targets = labels
    if scale == "logistic":
        positive, negative = labels.sum(), (1 - labels).sum()
        targets = np.where(labels > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))
    inputs = np.stack([margins.astype(np.float64), np.ones(len(margins))], axis=1)
    constant = np.array([0.0, _rate(scale, labels)])
    best, parameters = np.inf, constant
    for _ in range(STEPS):
        value, slope, curvature = _loss(scale, inputs @ parameters, targets)
        best = value
        hessian = (inputs * curvature[:, None]).T @ inputs + 1e-9 * len(inputs) * np.eye(2)
        step = np.linalg.solve(hessian, inputs.T @ slope)
        while _loss(scale, inputs @ (parameters - step), targets)[0] > best:
            step /= 2
        parameters = parameters - step
        if np.abs(step).max() < 1e-6:
            break
    if parameters[0] < FLOOR:  # the loss is convex: then FLOOR is the best scale allowed
        parameters = np.array([FLOOR, constant[1] - FLOOR * margins.mean()])
        best = _loss(scale, inputs @ parameters, targets)[0]
    return best, float(parameters[0]), float(parameters[1])


def _loss(
    scale: Scale, margins: np.ndarray, targets: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean loss, and for each row its first and second derivative by the margin."""
    if scale == "squared":
        off = margins - targets
        return float((off**2).mean() / 2), off, np.ones_like(off)
    limited = np.clip(margins, -LARGEST, LARGEST)
    if scale == "poisson":
        rates = np.exp(limited)
        return float((rates - targets * margins).mean()), rates - targets, rates
    shares = 1 / (1 + np.exp(-limited))
    losses = np.logaddexp(0, margins) - targets * margins
    return float(losses.mean()), shares - targets, shares * (1 - shares)
