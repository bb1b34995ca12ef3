"""The graph of the expert `trees`, on a tree made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from components.experts.tree_masks import Split, Tree, masks
from models.experts.base import Expert, ExpertInputs
from models.experts.trees import Trees
from models.lazy import tf

EXPERT = Trees(name="trees", numbers=("size",), categories=("colour",))
NUMBER = Split(
    feature=0,
    threshold=np.float32(1.5),
    categories=(),
    missing_left=False,
    first=0,
    middle=2,
    last=3,
)
COLOUR = Split(
    feature=1,
    threshold=np.float32(np.nan),
    categories=(2, 4),
    missing_left=False,
    first=0,
    middle=1,
    last=2,
)
TREE = Tree(1, (NUMBER, COLOUR), (1.0, 10.0, 100.0))
"""size <= 1.5: colour 2 or 4: 1, else 10; else 100."""


def inputs(sizes: list[float], colours: list[int]) -> ExpertInputs:
    return ExpertInputs(
        raw={"size": tf.constant(sizes, tf.float32)},
        features={"colour": tf.constant(colours, tf.int32)},
    )


def test_it_is_read_back_from_json() -> None:
    adapter: TypeAdapter[Expert] = TypeAdapter(Expert)
    assert adapter.validate_json(adapter.dump_json(EXPERT)) == EXPERT


def test_each_row_reaches_its_leaf() -> None:
    arrays = {k: tf.constant(v) for k, v in masks([TREE], [0, 1], 1, np.array([0.5, 0.25])).items()}
    rows = inputs([1.5, 1.5, 1.6, np.nan, -9, -9, np.inf], [2, 3, 2, 2, 4, 99, 0])
    margins = EXPERT.margins(arrays, rows)
    assert margins.dtype == tf.float32
    expected = [1, 10, 100, 100, 1, 10, 100]
    np.testing.assert_array_equal(margins, [[0.5, 0.25 + leaf] for leaf in expected])
    assert EXPERT.margins(arrays, inputs([], [])).shape == (0, 2)


@pytest.mark.parametrize("trees", [[], [Tree(0, (), (2.0,))]])
def test_without_splits_there_is_a_constant(trees: list[Tree]) -> None:
    arrays = {k: tf.constant(v) for k, v in masks(trees, [0, 1], 1, np.array([1.0, 4.0])).items()}
    margins = EXPERT.margins(arrays, inputs([1.0, np.nan], [0, 7]))
    first = 1.0 + sum(tree.leaves[0] for tree in trees)
    np.testing.assert_array_equal(margins, [[first, 4.0]] * 2)
