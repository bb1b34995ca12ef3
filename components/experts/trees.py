"""Gradient boosting on columns: LightGBM, a model for each objective and fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

from components.data.lazy import Mask, np
from components.experts.base import ExpertKind, FitRows, Fitted, Report
from components.experts.boosting import MOST_ROUNDS, USUAL_BINS, Boosting
from components.experts.tree_masks import Tree, masks, used_features
from models.experts.trees import Trees
from models.inputs.base import Feature

SAMPLE = 200_000
"""Rows above which trees learn from a sample of them."""


@final
class TreesKind(ExpertKind):
    """Numbers are read as they are, with NaN for missing, and categories by their ids."""

    package = "lightgbm"
    extra = "trees"

    def reads(self, features: Sequence[Feature], represented: bool) -> bool:
        return any(feature.tabular for feature in features)

    def fit(self, rows: FitRows, report: Report) -> Iterator[Fitted]:
        numbers = [f.name for f in rows.features if f.tabular == "number"]
        categories = [f.name for f in rows.features if f.tabular == "category"]
        columns = [rows.raw[name] for name in numbers]
        columns += [rows.preprocessed[name] for name in categories]
        values = np.stack(columns, axis=1).astype(np.float32)
        sample = _sample(rows.groups, rows.seed)
        folds = int(rows.folds.max()) + 1
        boosting = Boosting(values, len(numbers), rows, outputs=folds * rows.units)

        out_of_fold = np.zeros((len(values), rows.units), np.float32)
        constants = np.zeros(rows.units)
        trees: list[Tree] = []
        figures: dict[str, float | int | str] = {}
        first = 0
        for objective in rows.objectives:
            units, rounds = slice(first, first + objective.units), []
            for fold in range(folds):
                report(f"trees: {objective.task}, fold {fold + 1} of {folds}")
                inside = rows.folds == fold
                model = boosting.fit(objective, ~inside & sample)
                out_of_fold[inside, units] = model.margins(values[inside])
                constants[units] += model.constant / folds
                trees += model.trees(first, 1 / folds)
                rounds.append(model.rounds)
            figures[f"{objective.task} rounds"] = f"{min(rounds)} to {max(rounds)}"
            first = units.stop

        used = sorted(used_features(trees)) or [0]
        read = sum(feature < len(numbers) for feature in used)
        names = [*numbers, *categories]
        expert = Trees(
            name="trees",
            numbers=tuple(names[feature] for feature in used[:read]),
            categories=tuple(names[feature] for feature in used[read:]),
        )
        arrays = masks(trees, used, read, constants)
        figures["trees"] = int(arrays["masks"].shape[1])
        if not sample.all():
            figures["learnt from"] = f"{sample.sum():,} of {len(sample):,} rows"
        if boosting.bins < USUAL_BINS:
            figures["bins at most"] = boosting.bins
        if boosting.most_rounds < MOST_ROUNDS:
            figures["rounds at most"] = boosting.most_rounds
        yield Fitted(expert=expert, arrays=arrays, out_of_fold=out_of_fold, figures=figures)


def _sample(groups: np.ndarray, seed: int) -> Mask:
    """Bool [rows]: all, or whole groups at random with about `SAMPLE` rows."""
    if len(groups) <= SAMPLE:
        return np.ones(len(groups), bool)
    unique, group_of = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).random(len(unique))
    return np.asarray(order[group_of] < SAMPLE / len(groups))
