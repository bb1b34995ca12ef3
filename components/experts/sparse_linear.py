"""Linear models on sparse features, solved to convergence, with margins on the scale of a head.

For classes a support vector machine with the squared hinge loss, which ranks texts better than
logistic regression, by LIBLINEAR (Fan et al. 2008); for numbers ridge regression, by LSQR (Paige
and Saunders 1982), since LIBLINEAR hardly converges there with weak penalties.
The strength of a fold's penalty, and the scale and offset that turn its margins into logits (Platt
1999, section 2.2), come from rows outside the fold, each judged by a model without its own fold.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

from components.data.lazy import np
from components.experts.base import FitRows, Report
from components.labels.base import Loss, Objective

Scale = Literal["logistic", "squared", "poisson"]

CHOOSING = 4000
"""Rows that choose the strength of a penalty and its scale."""
FEW = 1000
"""Rows up to which every pair of folds is left out once."""
STRENGTHS = {"logistic": (0.1, 1.0, 10.0), "squared": (0.1, 1.0, 10.0), "poisson": (0.1, 1.0, 10.0)}
"""LIBLINEAR's C: the inverse of the penalty."""
EXACT = 1e-6
"""Relative tolerance of ridge regression, as `atol` and `btol` of LSQR."""
OWN = 0.5
"""Size of the features of a task's own weights beside those of the shared weights."""
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


def groups(objectives: Sequence[Objective]) -> Iterator[list[tuple[int, Column]]]:
    """The columns of all objectives, each with its place, in groups that are solved together.

    Tasks such as the same question about several domains learn from each other: they have the same
    loss and number of outputs, and no row is labelled for two of them.
    """
    kinds: dict[tuple[Loss, int], list[tuple[int, Objective]]] = {}
    first = 0
    for objective in objectives:
        kinds.setdefault((objective.loss, objective.units), []).append((first, objective))
        first += objective.units
    for (_, units), alike in kinds.items():
        labelled = np.sum([o.known() for _, o in alike], axis=0)
        together = [alike] if labelled.max(initial=0) <= 1 else [[one] for one in alike]
        for members in together:
            of_members = [(start, columns(objective)) for start, objective in members]
            for unit in range(units):
                yield [(start + unit, found[unit]) for start, found in of_members]


@dataclass(frozen=True)
class FoldModels:
    """Models of all outputs: weights float32 [folds, width, units], intercepts [folds, units].

    shared: how many of them share weights.
    """

    weights: np.ndarray
    intercepts: np.ndarray
    shared: int


def fold_models(
    name: str, rows: FitRows, features: Any, sample: np.ndarray, report: Report
) -> FoldModels:
    """A model for each fold and output, of the rows of a sample, with their features.

    features: float32 SciPy CSR matrix [sample, width]. sample: int64, indices of rows.
    """
    folds = int(rows.folds.max(initial=0)) + 1
    weights = np.zeros((folds, features.shape[1], rows.units), np.float32)
    intercepts = np.zeros((folds, rows.units), np.float32)
    shared = 0
    for group in groups(rows.objectives):
        places = [place for place, _ in group]
        report(f"{name}: output {places[0] + 1} of {rows.units}")
        labelled = [replace(column, labels=column.labels[sample]) for _, column in group]
        fits = solved(labelled, features, rows.folds[sample], folds, rows.seed)
        for fold, fit in enumerate(fits):
            shared += fit.shared
            for place, (coefficients, intercept) in zip(places, fit.models, strict=True):
                weights[fold, :, place], intercepts[fold, place] = coefficients, intercept
    return FoldModels(weights, intercepts, shared)


def margins(features: Any, models: FoldModels, folds: np.ndarray) -> np.ndarray:
    """Float32 [rows, units]: of each row from the model without its fold."""
    result = np.empty((len(folds), models.intercepts.shape[1]), np.float32)
    for fold, intercepts in enumerate(models.intercepts):
        own = folds == fold
        result[own] = features[own] @ models.weights[fold] + intercepts
    return result


Model = tuple[np.ndarray, float]
"""Coefficients, [width] of one column or [columns, width], and the intercept."""


@dataclass(frozen=True)
class Solved:
    """The models of a fold, one for each column of a group, and how many of them are shared."""

    models: Sequence[Model]
    shared: int


def solved(
    group: Sequence[Column], features: Any, folds: np.ndarray, count: int, seed: int
) -> Iterator[Solved]:
    """The models of each fold, fitted without it.

    Columns of a group share their weights in part, where that is better for rows outside the fold.

    features: float32 SciPy CSR matrix [rows, width]. folds: int64 [rows], below `count`.
    """
    alone = [_Fits(_examples([c], features, folds), count, seed) for c in group]
    together = _Fits(_examples(group, features, folds), count, seed) if len(group) > 1 else None
    for fold in range(count):
        models, shared = [], 0
        joint = together.choices(fold) if together else []
        for place, own in enumerate(alone):
            (choice,) = own.choices(fold)
            if together and joint[place].loss < choice.loss:
                choice, shared = joint[place], shared + 1
                of_columns, intercept = together.model(fold, choice.strength)
                weights = of_columns[place]
            else:
                (weights,), intercept = own.model(fold, choice.strength)
            scaled = (choice.scale * weights).astype(np.float32)
            models.append((scaled, float(choice.scale * intercept + choice.offset)))
        yield Solved(models, shared)


@dataclass(frozen=True, kw_only=True)
class _Examples:
    """Labelled rows of `columns` columns. features: CSR [rows, width].

    column: int64 [rows], whose label it is.
    """

    scale: Scale
    features: Any
    labels: np.ndarray
    folds: np.ndarray
    column: np.ndarray
    columns: int

    def at(self, rows: np.ndarray) -> _Examples:
        """Some of them, by index or mask."""
        return _Examples(
            scale=self.scale,
            features=self.features[rows],
            labels=self.labels[rows],
            folds=self.folds[rows],
            column=self.column[rows],
            columns=self.columns,
        )

    def margins(self, model: Model) -> np.ndarray:
        """Float64 [rows], each by the weights of its column."""
        weights, intercept = model
        margins = np.empty(len(self.labels))
        for column in range(self.columns):
            own = self.column == column
            margins[own] = self.features[own] @ weights[column]
        return margins + intercept


def _examples(group: Sequence[Column], features: Any, folds: np.ndarray) -> _Examples:
    """The labelled rows of all columns of a group."""
    labels = np.stack([c.labels for c in group])
    rows, column = np.nonzero(~np.isnan(labels.T))
    all_once = np.array_equal(rows, np.arange(features.shape[0]))
    return _Examples(
        scale=group[0].scale,
        features=features if all_once else features[rows],
        labels=labels[column, rows],
        folds=folds[rows],
        column=column,
        columns=len(group),
    )


@dataclass(frozen=True)
class _Choice:
    """loss: of rows outside the fold, NaN if unknown. scale, offset: turn margins into logits."""

    loss: float
    strength: float
    scale: float = 1.0
    offset: float = 0.0


class _Fits:
    """The fits of some examples without each fold."""

    def __init__(self, examples: _Examples, count: int, seed: int) -> None:
        self._examples, self._seed = examples, seed
        self._judged = list(_judged(_some(examples, seed), count, seed))
        self._models: dict[tuple[int, float], Model] = {}

    def choices(self, fold: int) -> Sequence[_Choice]:
        """For each column, all with the strength that is best for their rows outside the fold."""
        examples = self._examples
        own = [j for j in self._judged if fold in j.without]
        counts = np.bincount(examples.column, minlength=examples.columns)
        choices = [
            [_choice(examples.scale, own, fold, column, at) for column in range(examples.columns)]
            for at in range(len(STRENGTHS[examples.scale]))
        ]
        losses = counts * np.array([[c.loss for c in of_strength] for of_strength in choices])
        unknown = bool(np.isnan(losses).all())
        return choices[1 if unknown else int(np.nansum(losses, axis=1).argmin())]

    def model(self, fold: int, strength: float) -> Model:
        """Of all examples without a fold."""
        if (fold, strength) not in self._models:
            others = self._examples.at(self._examples.folds != fold)
            self._models = {(fold, strength): _fit(others, strength, self._seed)}
        return self._models[fold, strength]


def _some(examples: _Examples, seed: int) -> _Examples:
    """The examples that choose strengths, at most `CHOOSING` of each column."""
    sizes = np.bincount(examples.column)
    if sizes.max(initial=0) <= CHOOSING:
        return examples
    order = np.random.default_rng(seed).permutation(len(examples.labels))
    by_column = order[np.argsort(examples.column[order], kind="stable")]
    rank = np.arange(len(order)) - np.repeat(sizes.cumsum() - sizes, sizes)
    return examples.at(np.sort(by_column[rank < CHOOSING]))


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """Margins [strengths, rows] of the rows of two folds, by models without both.

    Those of one fold serve to choose for the other, whose rows then had no part in it.
    """

    without: tuple[int, int]
    labels: np.ndarray
    folds: np.ndarray
    column: np.ndarray
    margins: np.ndarray


def _judged(examples: _Examples, count: int, seed: int) -> Iterator[_Judged]:
    folds = examples.folds
    pairs = list(combinations(range(count), 2)) if count > 2 else []
    if len(folds) > FEW:  # two other folds, or one, say enough of each
        step = 1 if len(folds) <= CHOOSING else 2
        pairs = [(k, (k + 1) % count) for k in range(0, count, step)] if count > 2 else []
    for pair in pairs:
        out = np.isin(folds, pair)
        inside, held_out = examples.at(~out), examples.at(out)
        if not out.any() or _constant(inside.labels):
            continue
        strengths = STRENGTHS[examples.scale]
        margins = np.array([held_out.margins(_fit(inside, c, seed)) for c in strengths])
        yield _Judged(
            without=pair,
            labels=held_out.labels,
            folds=held_out.folds,
            column=held_out.column,
            margins=margins,
        )


def _choice(scale: Scale, judged: Sequence[_Judged], fold: int, column: int, at: int) -> _Choice:
    """With a strength, the scale and offset that are best for rows of a column outside the fold."""
    strength = STRENGTHS[scale][at]
    outside = [(j.folds != fold) & (j.column == column) for j in judged]
    labels = [j.labels[o] for j, o in zip(judged, outside, strict=True)]
    margins = [j.margins[at, o] for j, o in zip(judged, outside, strict=True)]
    if not labels or _constant(np.concatenate(labels)):
        return _Choice(np.nan, strength)
    loss, factor, offset = _calibrated(scale, np.concatenate(margins), np.concatenate(labels))
    return _Choice(loss, strength, factor, offset)


def _augmented(examples: _Examples) -> Any:
    """Float64 [rows, width * (1 + columns)]: features and, times `OWN`, those of the row's column.

    So a column's weights are shared ones plus its own (Daume 2007, "Frustratingly Easy Domain
    Adaptation", section 3). Float64, of which LIBLINEAR makes no further copy.
    """
    from scipy import sparse

    features = examples.features
    if examples.columns == 1:
        return features.astype(np.float64)
    width = features.shape[1]
    first = np.repeat(width * (1 + examples.column).astype(np.int32), np.diff(features.indptr))
    indices = np.empty((features.nnz, 2), np.int32)
    indices[:, 0], indices[:, 1] = features.indices, features.indices + first
    data = np.empty((features.nnz, 2))
    data[:, 0], data[:, 1] = features.data, OWN * features.data
    shape = (features.shape[0], width * (1 + examples.columns))
    return sparse.csr_matrix((data.ravel(), indices.ravel(), 2 * features.indptr), shape=shape)


def _fit(examples: _Examples, strength: float, seed: int) -> Model:
    """Coefficients float64 [columns, width], and the intercept, all that is fitted if all labels
    are the same.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    scale, labels, width = examples.scale, examples.labels, examples.features.shape[1]
    if _constant(labels):
        return np.zeros((examples.columns, width)), _rate(scale, labels)
    features = _augmented(examples)
    if scale == "logistic":
        solver = LinearSVC(dual=True, C=strength, max_iter=300, tol=1e-3, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # hard to reach for large strengths
            solver.fit(features, labels > 0)
        coefficients, intercept = solver.coef_, float(solver.intercept_[0])
    else:
        targets = np.log(labels + 0.5) if scale == "poisson" else labels
        centre = float(targets.mean())
        coefficients, intercept = _ridge(features, targets - centre, strength)
        intercept += centre
    weights = np.reshape(coefficients, (-1, width))
    if examples.columns > 1:
        weights = weights[0] + OWN * weights[1:]
    return weights, intercept


def _ridge(features: Any, targets: np.ndarray, strength: float) -> Model:
    """Coefficients float64 [width] and intercept that minimise half their squared norm, plus
    `strength` times the squared errors, as LIBLINEAR's regression with the squared loss does.
    """
    from scipy.sparse.linalg import LinearOperator, lsqr

    with_ones = LinearOperator(
        (features.shape[0], features.shape[1] + 1),
        matvec=lambda w: features @ w[:-1] + w[-1],
        rmatvec=lambda e: np.append(features.T @ e, e.sum()),
        dtype=np.float64,
    )
    damp = math.sqrt(0.5 / strength)
    found = lsqr(with_ones, targets, damp=damp, atol=EXACT, btol=EXACT, iter_lim=1000)[0]
    return found[:-1], float(found[-1])


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
