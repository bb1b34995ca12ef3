from __future__ import annotations

import numpy as np
import pytest

from components.experts.tree_masks import Split, Tree, masks, trees_of, used_features

LEAF = {"leaf_value": 3.0}
ROOT = {
    "split_feature": 4,
    "threshold": 0.1,
    "decision_type": "<=",
    "default_left": False,
    "missing_type": "None",
    "left_child": {"leaf_value": 1.0},
    "right_child": {
        "split_feature": 7,
        "threshold": "3||12",
        "decision_type": "==",
        "default_left": False,
        "missing_type": "None",
        "left_child": {"leaf_value": 2.0},
        "right_child": LEAF,
    },
}
MODEL = {
    "num_tree_per_iteration": 2,
    "tree_info": [{"tree_structure": ROOT}, {"tree_structure": LEAF}] * 2,
}


def test_trees_are_read_with_their_outputs_and_weights() -> None:
    trees = trees_of(MODEL, first_unit=5, weight=0.5)
    assert [tree.unit for tree in trees] == [5, 6, 5, 6]
    assert trees[0].leaves == (0.5, 1.0, 1.5)
    assert trees[1] == Tree(6, (), (1.5,))
    inner, root = trees[0].splits
    assert (inner.feature, inner.categories, inner.first, inner.middle, inner.last) == (
        (7, (3, 12), 1, 2, 3)
    )
    assert (root.feature, root.first, root.middle, root.last) == (4, 0, 1, 3)
    assert used_features(trees) == {4, 7}


def test_a_missing_number_is_zero_where_training_had_none_missing() -> None:
    (_, root) = trees_of(MODEL, 0, 1.0)[0].splits
    assert root.missing_left  # 0 <= 0.1
    declared = {**ROOT, "missing_type": "NaN"}
    (tree,) = trees_of(
        {"num_tree_per_iteration": 1, "tree_info": [{"tree_structure": declared}]}, 0, 1.0
    )
    assert not tree.splits[-1].missing_left


@pytest.mark.parametrize("threshold", [0.1, -0.1, 1e300, 1.0, 16777217.0, -1e-35])
def test_thresholds_compare_with_float32_as_before(threshold: float) -> None:
    model = {
        "num_tree_per_iteration": 1,
        "tree_info": [{"tree_structure": {**ROOT, "threshold": threshold}}],
    }
    rounded = trees_of(model, 0, 1.0)[0].splits[-1].threshold
    assert rounded.dtype == np.float32
    with np.errstate(over="ignore"):
        near = np.float32(threshold)
        values = [near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, -near)]
    for value in values:
        assert (value <= rounded) == (float(value) <= threshold)


def test_equal_rows_of_masks_are_kept_once() -> None:
    split = Split(
        feature=0,
        threshold=np.float32(np.nan),
        categories=(500,),
        missing_left=False,
        first=0,
        middle=1,
        last=2,
    )
    arrays = masks([Tree(0, (split,), (1.0, 2.0))], [0], 0, np.zeros(1))
    assert arrays["rows"].shape == (502,)
    assert sorted(arrays["masks"][:, 0]) == [0b01, 0b10]
    assert arrays["masks"].dtype == np.uint32


def test_sums_of_leaves_do_not_depend_on_their_order() -> None:
    rng = np.random.default_rng(0)
    split = trees_of(MODEL, 0, 1.0)[0].splits
    trees = [Tree(0, split, tuple(rng.normal(size=3))) for _ in range(200)]
    leaves = masks(trees, [4, 7], 1, np.array([0.3]))["leaves"][:, 0]
    np.testing.assert_allclose(leaves, [tree.leaves[0] for tree in trees], rtol=0, atol=1e-12)
    totals = set()
    for _ in range(20):
        total = 0.0
        for value in rng.permutation(leaves):
            total += value
        totals.add(total)
    assert len(totals) == 1
