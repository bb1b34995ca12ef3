"""One gradient boosting model: LightGBM for an objective, without the rows of a fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.data.lazy import Mask, np
from components.experts.base import FitRows
from components.experts.out_of_fold import inner_folds
from components.experts.tree_masks import Tree, trees_of
from components.labels.base import Loss, Objective

FEW = 20
"""Labelled rows below which the margin is a constant."""
FEWEST_ROUNDS, MOST_ROUNDS = 10, 400
"""Limits of what is tried; see `Boosting.most_rounds`."""
MOST_TREES = 8_000
"""Of all folds and outputs, which decide the time of an answer."""
MOST_BINS = 8_000
"""Of all features; each has the usual number, or fewer where there are more than 31 features."""
FEWEST_BINS, USUAL_BINS = 15, 255
MOST_MASKS = 2**24
"""A number for each bin and tree in the served graph: 64 MB."""
WANTED_ROUNDS = 100
"""With many outputs there are fewer bins, so that so many rounds do not exceed `MOST_MASKS`."""
SMALL = 5_000
"""Rows, times outputs, up to which all inner folds judge, and not one of them."""
CHANGES: Sequence[dict[str, Any]] = (
    {"feature_fraction": 1.0},
    {"num_leaves": 15, "min_data_in_leaf": 10},
)
"""Tried one after the other, and kept if better: all features for every tree, where few features
act together; larger or smaller trees.
"""
LARGE = 10_000
"""Rows, times outputs, above which no changes are tried: on 32,561 rows of Census they took as long
as everything else, for .0006 and .0002 AUC.
"""
INNER = 5
PATIENCE = 30
RATES, WAY = (0.1, 0.4), 30.0
"""Learning rates: the lowest, or higher so that all rounds together have this sum of rates."""
_NAMES: Mapping[Loss, str] = {
    "logistic": "binary",
    "softmax": "multiclass",
    "squared": "regression",
    "huber": "huber",
    "poisson": "poisson",
}


@dataclass(frozen=True)
class FoldModel:
    """constant: float64 [units], to which LightGBM's raw scores are added, if there are any."""

    constant: np.ndarray
    booster: Any = None
    rounds: int = 0

    def margins(self, values: np.ndarray) -> np.ndarray:
        """Float64 [rows, units]."""
        margins = np.tile(self.constant, (len(values), 1))
        if self.booster is not None and len(values):
            margins += self.booster.predict(values, raw_score=True).reshape(margins.shape)
        return margins

    def trees(self, first_unit: int, weight: float) -> list[Tree]:
        return trees_of(self.booster.dump_model(), first_unit, weight) if self.booster else []


class Boosting:
    """Rows in LightGBM's bins, which all its models share.

    values: float32 [rows, features], the first `numbers` of which are numbers, with NaN for
        missing, and the others ids of categories.
    outputs: how many are boosted in all, units times folds.
    bins: of a number, at most.
    most_rounds: so many that the served graph stays small and fast.
    """

    def __init__(self, values: np.ndarray, numbers: int, rows: FitRows, outputs: int) -> None:
        import lightgbm

        self.groups, self.seed = rows.groups, rows.seed
        bins = min(MOST_BINS, MOST_MASKS // (WANTED_ROUNDS * outputs))
        self.bins = int(np.clip(bins // values.shape[1], FEWEST_BINS, USUAL_BINS))
        self.common = {
            "verbose": -1,
            "seed": rows.seed,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": rows.threads,
            "feature_pre_filter": False,
            "max_bin": self.bins,
        }
        categories = list(range(numbers, values.shape[1]))
        self.rows = lightgbm.Dataset(
            values, categorical_feature=categories, params=self.common
        ).construct()
        bins = 1 + sum(self.rows.feature_num_bin(f) for f in range(values.shape[1]))
        most_trees = min(MOST_TREES, MOST_MASKS // bins)
        self.most_rounds = int(np.clip(most_trees // outputs, FEWEST_ROUNDS, MOST_ROUNDS))

    def fit(self, objective: Objective, among: Mask) -> FoldModel:
        """Settings and the number of rounds that are best for held-out rows of these, then a model
        of all.

        among: bool [rows]; others have no influence on the model.
        """
        import lightgbm

        train = np.flatnonzero(among & objective.known())
        labels = objective.labels
        constant = _constant(objective, labels[train])
        inner = inner_folds(self.groups[train], INNER, self.seed)
        parts = range(INNER if len(train) * objective.units <= SMALL else 1)
        pairs = [(train[inner != part], train[inner == part]) for part in parts]
        pairs = [
            (fit, rest) for fit, rest in pairs if len(rest) and len(np.unique(labels[fit])) > 1
        ]
        if len(train) < FEW or not pairs:
            return FoldModel(constant)

        self.rows.set_label(np.nan_to_num(labels))
        self.rows.set_field("init_score", None)  # LightGBM 4.7 writes past the end of a shorter one
        self.rows.set_init_score(np.repeat(constant, len(among)))
        rate = {"learning_rate": float(np.clip(WAY / self.most_rounds, *RATES))}
        best = self._tried(self.common | settings(len(train)) | rate | _loss(objective), pairs)
        for change in CHANGES if len(train) * objective.units <= LARGE else ():
            tried = self._tried(best.params | change, pairs)
            best = tried if tried.loss < best.loss else best
        booster = lightgbm.train(best.params.copy(), self.rows.subset(train), best.rounds)
        return FoldModel(constant, booster, best.rounds)

    def _tried(
        self, params: dict[str, Any], pairs: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> _Tried:
        """pairs: indices of rows to learn from, and of rows that judge."""
        import lightgbm

        stop = lightgbm.early_stopping(PATIENCE, verbose=False)
        curves = lightgbm.cv(
            params.copy(), self.rows, self.most_rounds, folds=pairs, callbacks=[stop]
        )
        (losses,) = (curve for name, curve in curves.items() if name.endswith("-mean"))
        return _Tried(params, int(np.argmin(losses)) + 1, float(np.min(losses)))


@dataclass(frozen=True)
class _Tried:
    """loss: mean of held-out rows after so many rounds."""

    params: dict[str, Any]
    rounds: int
    loss: float


def settings(rows: int) -> dict[str, Any]:
    """LightGBM's parameters for so many rows: small trees where there are few."""
    return {
        "num_leaves": int(np.clip(rows // 60, 4, 31)),
        "min_data_in_leaf": int(np.clip(rows // 50, 5, 20)),
        "lambda_l2": 1.0,
        "feature_fraction": 0.6,
    }


def _loss(objective: Objective) -> dict[str, Any]:
    """`alpha` is the threshold of Huber's loss, as the network's heads have it."""
    return {"objective": _NAMES[objective.loss], "num_class": objective.units, "alpha": 1.0}


def _constant(objective: Objective, labels: np.ndarray) -> np.ndarray:
    """Float64 [units]: the best margin without features, with half a label of each class added."""
    rows = len(labels)
    if objective.loss == "logistic":
        positives = (labels.sum() + 0.5) / (rows + 1)
        return np.array([np.log(positives / (1 - positives))])
    if objective.loss == "softmax":
        counts = np.bincount(labels.astype(np.int64), minlength=objective.units) + 0.5
        return np.asarray(np.log(counts / counts.sum()))
    if not rows:
        return np.zeros(1)
    if objective.loss == "poisson":
        return np.log([max(labels.mean(), 0.5 / (rows + 1))])
    return np.array([np.median(labels) if objective.loss == "huber" else labels.mean()])
