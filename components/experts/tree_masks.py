"""LightGBM's trees as the arrays of `models.experts.trees.Trees`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.data.lazy import Mask, np

MOST_LEAVES = 32
"""Bits of a mask."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """An inner node. A row goes left if its number <= threshold or its category is one of these.

    The left subtree has the leaves from `first` up to `middle`, the right one from there to `last`.

    threshold: NaN for categories. missing_left: where a missing number goes.
    """

    feature: int
    threshold: np.float32
    categories: tuple[int, ...]
    missing_left: bool
    first: int
    middle: int
    last: int


@dataclass(frozen=True)
class Tree:
    """A tree of the output `unit`, with its leaves from left to right."""

    unit: int
    splits: tuple[Split, ...]
    leaves: tuple[float, ...]


def trees_of(model: Mapping[str, Any], first_unit: int, weight: float) -> list[Tree]:
    """The trees of `lightgbm.Booster.dump_model()`, with leaves times a weight."""
    units = model["num_tree_per_iteration"]
    result = []
    for index, info in enumerate(model["tree_info"]):
        splits: list[Split] = []
        leaves: list[float] = []
        _walk(info["tree_structure"], splits, leaves)
        scaled = tuple(weight * leaf for leaf in leaves)
        result.append(Tree(first_unit + index % units, tuple(splits), scaled))
    return result


def _walk(node: Mapping[str, Any], splits: list[Split], leaves: list[float]) -> None:
    if "left_child" not in node:
        leaves.append(float(node["leaf_value"]))
        return
    first = len(leaves)
    _walk(node["left_child"], splits, leaves)
    middle = len(leaves)
    _walk(node["right_child"], splits, leaves)
    numeric = node["decision_type"] == "<="
    threshold = node["threshold"] if numeric else np.nan
    assert node["missing_type"] != "Zero", "expected zero_as_missing=false"
    split = Split(
        feature=node["split_feature"],
        threshold=_not_above(threshold),
        categories=() if numeric else tuple(map(int, str(node["threshold"]).split("||"))),
        # LightGBM reads a missing number as 0 where training rows had none.
        missing_left=node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0,
        first=first,
        middle=middle,
        last=len(leaves),
    )
    splits.append(split)


def _not_above(threshold: float) -> np.float32:
    """The largest float32 that is not above it: comparisons with float32 numbers stay the same."""
    with np.errstate(over="ignore"):
        nearest = np.float32(threshold)
    return np.nextafter(nearest, np.float32(-np.inf)) if float(nearest) > threshold else nearest


def used_features(trees: Sequence[Tree]) -> set[int]:
    return {split.feature for tree in trees for split in tree.splits}


def masks(
    trees: Sequence[Tree], features: Sequence[int], numbers: int, constants: np.ndarray
) -> dict[str, np.ndarray]:
    """The arrays of `models.experts.trees.Trees`.

    features: those of the trees, the first `numbers` of which are numbers, the others categories.
    constants: float64 [units], added to the sums of the trees.
    """
    grown = [tree for tree in trees if tree.splits]
    constants = constants.astype(np.float64)
    for tree in trees:
        if not tree.splits:
            constants[tree.unit] += tree.leaves[0]
    of_feature: dict[int, list[tuple[int, Split]]] = {feature: [] for feature in features}
    for index, tree in enumerate(grown):
        for split in tree.splits:
            of_feature[split.feature].append((index, split))

    every_leaf = np.array([2 ** len(tree.leaves) - 1 for tree in grown], np.uint32)
    thresholds = [_thresholds(of_feature[feature]) for feature in features[:numbers]]
    padded = np.full((numbers, max(map(len, thresholds), default=0)), np.inf, np.float32)
    blocks = []
    for row, ascending, feature in zip(padded, thresholds, features[:numbers], strict=True):
        row[: len(ascending)] = ascending
        blocks.append(_of_number(of_feature[feature], ascending, every_leaf))
    blocks += [_of_category(of_feature[feature], every_leaf) for feature in features[numbers:]]

    sizes = np.array([len(block) for block in blocks])
    distinct, rows = np.unique(np.concatenate(blocks), axis=0, return_inverse=True)
    leaves = np.zeros((len(grown), max((len(tree.leaves) for tree in grown), default=1)))
    for index, tree in enumerate(grown):
        leaves[index, : len(tree.leaves)] = tree.leaves
    grid = _grid(np.abs(constants).sum() + np.abs(leaves).max(axis=1).sum())
    return {
        "thresholds": padded,
        "starts": (sizes.cumsum() - sizes).astype(np.int32),
        "lasts": (sizes - 1).astype(np.int32),
        "rows": rows.reshape(-1).astype(np.int32),
        "masks": distinct,
        "leaves": np.round(leaves / grid) * grid,
        "units": np.array([tree.unit for tree in grown], np.int32),
        "constants": np.round(constants / grid) * grid,
    }


Splits = Sequence[tuple[int, Split]]
"""Those of one feature, each with the index of its tree."""


def _thresholds(splits: Splits) -> np.ndarray:
    """Float32, ascending."""
    return np.unique(np.array([split.threshold for _, split in splits], np.float32))


def _of_number(splits: Splits, thresholds: np.ndarray, every_leaf: np.ndarray) -> np.ndarray:
    """Uint32 [codes, trees]: the leaves that each interval between thresholds leaves, ascending;
    the last row is that of a missing number.
    """
    masks = np.tile(every_leaf, (len(thresholds) + 2, 1))
    for index, split in splits:
        left = np.arange(len(masks)) <= np.searchsorted(thresholds, split.threshold)
        left[-1] = split.missing_left
        masks[:, index] &= _reachable(split, left)
    return masks


def _of_category(splits: Splits, every_leaf: np.ndarray) -> np.ndarray:
    """Uint32 [codes, trees]: the leaves that each id leaves; the last row is that of all others."""
    largest = max((max(split.categories) for _, split in splits), default=-1)
    masks = np.tile(every_leaf, (largest + 2, 1))
    for index, split in splits:
        left = np.zeros(len(masks), bool)
        left[list(split.categories)] = True
        masks[:, index] &= _reachable(split, left)
    return masks


def _reachable(split: Split, left: Mask) -> np.ndarray:
    """Uint32 [codes]: all bits but those of the subtree that a code does not enter."""
    without_right, without_left = (
        ~_bits(split.middle, split.last),
        ~_bits(split.first, split.middle),
    )
    return np.where(left, without_right, without_left)


def _bits(start: int, stop: int) -> np.uint32:
    return np.uint32(2**stop - 2**start)


def _grid(largest: float) -> float:
    """The power of two whose multiples up to `largest` are float64, so that sums are exact."""
    return float(2.0 ** (np.ceil(np.log2(largest or 1.0)) - 52))
