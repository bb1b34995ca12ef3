"""Fits experts of kind `linear`: one on columns, one on what a frozen trunk computes.

The strength of the penalty, and how far effects of numbers may bend, are chosen for every objective
and fold by the loss on the other folds.
A model without folds a and b judges b in the choice for a, and a in the choice for b.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from components.data.lazy import np
from components.experts.base import ExpertKind, FitRows, Fitted, Report
from components.experts.out_of_fold import inner_folds
from components.experts.penalised import Basis, Models, solve
from components.labels.base import Objective
from components.labels.point_losses import LOSSES
from models.experts.linear import Linear
from models.inputs.base import Feature

PENALTIES = tuple(10 ** (e / 2) for e in range(6, -11, -1))
"""Strengths to try, strongest first, times the variance of all columns together."""
NUMBERS = 20_000_000
"""Most numbers, rows times columns and margins, to learn from: 160 MB."""
WORK = 10_000_000
"""Most rows times columns times classes to learn from, where there are curves and classes: about a
minute of one core.
"""
PIECES = 32
ROWS_PER_PIECE = 40
CURVES = 500
"""Most columns for pieces of numbers."""
BENDS = (1.0, 0.3)
"""Scales of the pieces, to try: the penalty holds smaller ones back, so that effects of numbers are
closer to straight lines.
"""
BENT_ROWS = 10_000
"""Rows up to which they are tried; more rows need no such help."""
ONE_HOT = 500
"""Most columns for ids of categories; rarer ids of a category share one."""
INNER = 4
"""Inner folds, if there are too few folds for models without two of them."""
WORST = 1e12
"""A loss of one row that stands for infinity."""
ROUGH, EXACT = 1e-7, 1e-16
"""Tolerances of the mean loss: in the choice of a strength, and of the models that are kept."""


class LinearKind(ExpertKind):
    def reads(self, features: Sequence[Feature], represented: bool) -> bool:
        return represented or any(_is_number(f) or _is_category(f) for f in features)

    def fit(self, rows: FitRows, report: Report) -> Iterator[Fitted]:
        if rows.blocks is not None:  # they hold the representation too
            expert = Linear(name="linear.blocks", blocks=True)
            yield _fit(expert, rows, _Terms.of_representation(rows.blocks), report)
        elif rows.representation is not None:
            expert = Linear(name="linear.representation", representation=True)
            yield _fit(expert, rows, _Terms.of_representation(rows.representation), report)
        numbers = tuple(f.name for f in rows.features if _is_number(f))
        categories = tuple(f.name for f in rows.features if _is_category(f))
        if numbers or categories:
            scalar = [f.name for f in rows.features if _is_number(f) and not f.shape]
            expert = Linear(
                name="linear.columns",
                numbers=numbers,
                missing=tuple(n for n in scalar if np.isnan(rows.raw[n]).any()),
                categories=categories,
            )
            yield _fit(expert, rows, _Terms.of_columns(expert, rows), report)


def _is_number(feature: Feature) -> bool:
    return feature.dtype == "float32" and len(feature.shape) <= 1


def _is_category(feature: Feature) -> bool:
    return feature.dtype == "int32" and feature.shape == ()


@dataclass(frozen=True)
class _Terms:
    """The columns of the linear models, none of which depends on labels.

    arrays: those of `models.experts.linear.Linear` but kernel, bias and table. plain: float32
        [rows, n + pieces + missing], which the kernel is for. ids: int64 [rows, categories] of rows
        of the table. columns: int64 [rows of the table]: the one-hot column of an id,
        -1 if it has none.
    """

    arrays: Mapping[str, np.ndarray]
    plain: np.ndarray
    ids: np.ndarray
    columns: np.ndarray

    @classmethod
    def of_representation(cls, x: np.ndarray) -> _Terms:
        none = np.zeros((len(x), 0), np.int64)
        return cls(*_encoded(x, 0, none.astype(bool)), none, none[0])

    @classmethod
    def of_columns(cls, expert: Linear, rows: FitRows) -> _Terms:
        count = len(rows.folds)
        values = [rows.preprocessed[n].reshape(count, -1) for n in expert.numbers]
        x = np.concatenate([np.zeros((count, 0), np.float32), *values], axis=1)
        x = np.where(np.isnan(x), np.float32(0), x)
        missing = [np.isnan(rows.raw[n]) for n in expert.missing]
        absent = np.array(missing, bool).reshape(-1, count).T
        pieces = min(max(count // ROWS_PER_PIECE, 2), PIECES, CURVES // max(x.shape[1], 1))
        arrays, plain = _encoded(x, pieces, absent)
        ids = np.array([rows.preprocessed[n] for n in expert.categories], np.int64)
        ids = ids.reshape(-1, count).T
        sizes = ids.max(axis=0, initial=0) + 2
        first = np.cumsum(sizes) - sizes
        places = {"first": first.astype(np.int32), "last": (first + sizes - 1).astype(np.int32)}
        columns = _one_hot(first + ids, sizes)
        return cls({**arrays, **places}, plain, first + ids, columns)

    @property
    def width(self) -> int:
        return int(self.plain.shape[1] + self.columns.max(initial=-1) + 1)

    @property
    def has_pieces(self) -> bool:
        return len(self.arrays["source"]) > 0

    def scales(self, bend: float) -> np.ndarray:
        """float64 [width]: 1, and `bend` for pieces."""
        result, first = np.ones(self.width), len(self.arrays["mean"])
        result[first : first + len(self.arrays["source"])] = bend
        return result

    def of_rows(self, which: np.ndarray) -> np.ndarray:
        """float64 [rows, width]."""
        hot = self.columns[self.ids[which]]
        result = np.zeros((len(hot), self.width))
        start = self.plain.shape[1]
        result[:, :start] = self.plain[which]
        for column in hot.T:
            result[np.arange(len(hot)), start + column] = 1
        return result

    def margins(self, which: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """float64 [rows, outputs], without a bias. weights: float64 [width, outputs]."""
        table = self.table(weights)
        result = self.plain[which] @ weights[: self.plain.shape[1]]
        for ids in self.ids[which].T:
            result += table[ids]
        return np.asarray(result)

    def table(self, weights: np.ndarray) -> np.ndarray:
        """float64 [rows of the table, outputs]; 0 for ids without a column."""
        padded = np.concatenate([weights[self.plain.shape[1] :], np.zeros((1, weights.shape[1]))])
        return np.asarray(padded[self.columns])


def _encoded(
    x: np.ndarray, pieces: int, absent: np.ndarray
) -> tuple[Mapping[str, np.ndarray], np.ndarray]:
    """Arrays and `plain` of terms. x: float32 [rows, n]. absent: bool [rows, missing]."""
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale = np.where(scale > 1e-6 * np.abs(mean), scale, 1.0)  # constant: nothing but rounding
    edges = [_edges(column, pieces) for column in x.T]
    source = np.repeat(np.arange(len(edges)), np.array([len(e) - 1 for e in edges], np.int64))
    low, high = (np.concatenate([[], *(e[s] for e in edges)]) for s in (slice(-1), slice(1, None)))
    arrays = {
        "mean": mean.astype(np.float32),
        "scale": scale.astype(np.float32),
        "source": source.astype(np.int32),
        "low": low.astype(np.float32),
        "high": high.astype(np.float32),
    }
    split = (x[:, source] - arrays["low"]) / (arrays["high"] - arrays["low"])
    standard = (x - arrays["mean"]) / arrays["scale"]
    return arrays, np.concatenate(
        [standard, np.clip(split, 0, 1), absent], axis=1, dtype=np.float32
    )


def _edges(values: np.ndarray, pieces: int) -> np.ndarray:
    """float32, ascending: where pieces of about as many rows begin and end; one edge for none.

    They are the distinct values where these are few. A value of more than half of the rows has an
    edge of its own, and the others are shared out among the rest.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if pieces < 2 or len(distinct) <= 2:  # then a curve is a straight line
        return distinct[:1]
    if len(distinct) <= pieces + 1:
        return distinct
    mode = distinct[counts.argmax()]
    rest = values[values != mode] if 2 * counts.max() > len(values) else values
    inner = np.quantile(rest, np.linspace(0, 1, pieces + 1), method="nearest")
    return np.unique(np.concatenate([inner, [distinct[0], mode, distinct[-1]]]))


def _one_hot(ids: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`_Terms.columns`: frequent ids have a column each. All others of a category share one, among
    them id 1 (unknown) and ids that no row has.

    ids: int64 [rows, categories], rows of the table. sizes: of the categories in the table.
    """
    counts = np.bincount(ids.ravel(), minlength=int(sizes.sum()))
    category = np.repeat(np.arange(len(sizes)), sizes)
    known = counts.copy()
    known[np.cumsum(sizes) - sizes + 1] = 0  # id 1
    alone = np.zeros(len(counts), bool)
    alone[np.argsort(-known, kind="stable")[:ONE_HOT]] = True
    alone &= known > 1
    shared = np.full(len(sizes), -1)
    having = np.unique(category[~alone & (counts > 0)])
    shared[having] = alone.sum() + np.arange(len(having))
    return np.where(alone, np.cumsum(alone) - 1, shared[category])


def _fit(expert: Linear, rows: FitRows, terms: _Terms, report: Report) -> Fitted:
    folds = int(rows.folds.max()) + 1
    classes = max(o.units for o in rows.objectives)
    most = NUMBERS // (terms.width + 2 * folds * classes)
    if classes > 1 and terms.has_pieces:
        most = min(most, WORK // (terms.width * classes))
    sample = _sample(rows, most)
    figures: dict[str, float | int | str] = {"columns": terms.width}
    if len(sample) < len(rows.folds):
        figures["learnt from rows"] = f"{len(sample)} of {len(rows.folds)}, drawn by group"
    columns = terms.of_rows(sample)
    centre = columns.mean(axis=0)
    columns -= centre
    several = terms.has_pieces and len(sample) <= BENT_ROWS
    scales = [terms.scales(bend) for bend in (BENDS if several else BENDS[:1])]
    bases = [Basis.of(columns * scale) for scale in scales]
    train = np.stack([rows.folds[sample] != f for f in range(folds)], axis=1)
    weights, bias = np.zeros((terms.width, rows.units)), np.zeros(rows.units)
    out_of_fold = np.zeros((len(rows.folds), rows.units), np.float32)
    chosen, unit = dict[str, list[float]](), 0
    for objective in rows.objectives:
        report(f"{expert.name}: {objective.task}")
        units = slice(unit, unit := unit + objective.units)
        judged = [_penalties(objective, rows, sample, basis) for basis in bases]
        best = np.argmin([losses for _, losses in judged], axis=0)
        for which, (basis, (penalties, _)) in enumerate(zip(bases, judged, strict=True)):
            own = np.flatnonzero(best == which)
            if not len(own):
                continue
            models = _models(objective, sample, basis, train[:, own], penalties[own])
            solved = solve(models, models.constant(), EXACT)
            for i, fold in enumerate(own):
                slopes = scales[which][:, None] * (basis.rotation @ solved[1:, i])
                intercept = solved[0, i] - centre @ slopes
                weights[:, units] += slopes / folds
                bias[units] += intercept / folds
                here = np.flatnonzero(rows.folds == fold)
                out_of_fold[here, units] = terms.margins(here, slopes) + intercept
            chosen.setdefault(objective.task, []).extend(penalties[own])
    for task, strengths in chosen.items():
        figures[f"{task} penalty"] = float(f"{np.exp(np.log(strengths).mean()):.3g}")
    arrays = {
        **terms.arrays,
        "kernel": weights[: terms.plain.shape[1]].astype(np.float32),
        "bias": bias.astype(np.float32),
    }
    if expert.categories:
        arrays["table"] = terms.table(weights).astype(np.float32)
    return Fitted(expert=expert, arrays=arrays, out_of_fold=out_of_fold, figures=figures)


def _models(
    objective: Objective, sample: np.ndarray, basis: Basis, train: np.ndarray, penalties: np.ndarray
) -> Models:
    """train: bool [sample, models]: the rows of each model, of which it takes the labelled ones."""
    loss, labels = LOSSES[objective.loss], objective.labels[sample]
    weights = (train & ~np.isnan(labels)[:, None]).astype(np.float64)
    return Models(basis, loss, loss.targets(labels, objective.units), weights, penalties)


def _penalties(
    objective: Objective, rows: FitRows, sample: np.ndarray, basis: Basis
) -> tuple[np.ndarray, np.ndarray]:
    """For each fold the strength of least loss on the labelled rows of the others, judged by models
    that saw neither, and that loss, both float64 [folds]. Weaker ones are tried until two in turn
    are no better.
    """
    train, judged = _trials(rows.folds[sample], rows.groups[sample], rows.seed)
    known = ~np.isnan(objective.labels[sample])
    strengths = max(float(basis.squares[1:].sum()), 1e-12) * np.array(PENALTIES)
    coefficients, history = None, list[np.ndarray]()
    for strength in strengths:
        penalties = np.full(train.shape[1], strength)
        models = _models(objective, sample, basis, train, penalties)
        start = models.constant() if coefficients is None else coefficients
        coefficients = solve(models, start, ROUGH)
        with np.errstate(over="ignore"):
            losses = models.losses(models.margins(coefficients))
        losses = np.where(known[:, None], np.minimum(losses, WORST), 0.0)
        history.append(np.einsum("fnk,nk->f", judged, losses))
        if len(history) > 2 and (history[-2:] >= np.min(history[:-2], axis=0)).all():
            break
    return strengths[np.argmin(history, axis=0)], np.min(history, axis=0)


def _trials(folds: np.ndarray, groups: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that models learn from, bool [rows, models], and rows on which they are judged in the
    choice for a fold, bool [folds, rows, models].
    """
    count = int(folds.max()) + 1
    if count > 2:
        pairs = list(combinations(range(count), 2))
        judged = np.zeros((count, len(folds), len(pairs)), bool)
        for k, (a, b) in enumerate(pairs):
            judged[a, :, k], judged[b, :, k] = folds == b, folds == a
        return np.stack([(folds != a) & (folds != b) for a, b in pairs], axis=1), judged
    inner = inner_folds(groups, INNER, seed)
    splits = [(a, b) for a in range(count) for b in range(INNER)]
    judged = np.zeros((count, len(folds), len(splits)), bool)
    for k, (a, b) in enumerate(splits):
        judged[a, :, k] = (folds != a) & (inner == b)
    return np.stack([(folds != a) & (inner != b) for a, b in splits], axis=1), judged


def _sample(rows: FitRows, most: int) -> np.ndarray:
    """int64: indices of rows of whole groups, drawn by the seed, of about `most` rows."""
    if len(rows.groups) <= most:
        return np.arange(len(rows.groups))
    unique, group_of, counts = np.unique(rows.groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng(rows.seed).permutation(len(unique))
    chosen = np.zeros(len(unique), bool)
    chosen[order[: max(int(np.searchsorted(np.cumsum(counts[order]), most, "right")), 1)]] = True
    return np.flatnonzero(chosen[group_of])
