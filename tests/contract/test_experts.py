"""The contract of kinds of experts, which are found by discovery.

All fit the same rows, which have an input for every kind; each must learn from them.
"""

from __future__ import annotations

import operator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from components.experts.base import ExpertKind, FitRows, Fitted
from components.experts.fitting import expert_kinds
from components.labels.base import Objective
from models.discovery import part
from models.experts.base import Expert, ExpertInputs
from models.experts.layers.panel import Panel
from models.inputs.categorical import CategoricalFeature
from models.inputs.numeric import NumericFeature
from models.inputs.raw_text import RawTextFeature
from models.lazy import tf
from tests.needs_lightgbm import NEEDS_LIGHTGBM
from tests.serving_operations import not_served

pytestmark = pytest.mark.slow

KINDS = [
    pytest.param(kind, marks=[NEEDS_LIGHTGBM] if kind == "trees" else []) for kind in expert_kinds()
]
ROWS = 100
WORDS = ["red", "green", "blue", "träge", "新しい"]
FEATURES = (
    NumericFeature(name="size", column="size", mean=0.0, deviation=1.0),
    CategoricalFeature(name="colour", column="colour", vocabulary=("red", "green", "blue")),
    RawTextFeature(name="title", column="title"),
    RawTextFeature(name="body", column="body"),
)


def fit_rows() -> FitRows:
    """Rows with columns, two texts and what a frozen trunk computes, for three tasks."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=ROWS).astype(np.float32)
    size[::9] = np.nan
    texts = [np.array([" ".join(rng.choice(WORDS, 4)) for _ in range(ROWS)], object) for _ in "ab"]
    z = np.nan_to_num(size) + np.array(["red" in t for t in texts[0]])
    labels = {
        "logistic": (z > 0).astype(float),
        "softmax": np.digitize(z, [-0.5, 0.5]).astype(float),
        "squared": z,
    }
    colour = np.digitize(z, [-1, 0, 1]).astype(np.int32)
    return FitRows(
        features=FEATURES,
        raw={"size": size, "title": texts[0], "body": texts[1]},
        preprocessed={"size": np.nan_to_num(size), "colour": colour},
        representation=rng.normal(size=(ROWS, 4)).astype(np.float32),
        objectives=tuple(
            Objective(task=k, loss=k, labels=y, units=3 if k == "softmax" else 1)  # type: ignore[arg-type]
            for k, y in labels.items()
        ),
        folds=np.arange(ROWS) % 5,
        groups=np.arange(ROWS),
        seed=0,
        threads=1,
        blocks=rng.normal(size=(ROWS, 6)).astype(np.float32),
    )


@cache
def fitted(kind: str) -> tuple[Fitted, ...]:
    return tuple(part("components.experts", ExpertKind, kind)().fit(fit_rows(), print))


def batch() -> dict[str, Any]:
    """Tensors of the rows, by field of `ExpertInputs`."""
    rows = fit_rows()
    inputs = {"raw": rows.raw, "features": rows.preprocessed}
    inputs |= {"representation": rows.representation, "blocks": rows.blocks}
    return tf.nest.map_structure(tf.constant, inputs)  # type: ignore[no-any-return]


def panel_of(experts: tuple[Fitted, ...]) -> Panel:
    return Panel([f.expert for f in experts], {f.expert.name: f.arrays for f in experts})


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_it_is_and_is_read_back_from_json(kind: str) -> None:
    adapter: TypeAdapter[Expert] = TypeAdapter(Expert)
    experts = fitted(kind)
    assert experts
    assert part("components.experts", ExpertKind, kind)().reads(FEATURES, True)
    for one in experts:
        assert one.expert.kind == kind
        assert adapter.validate_json(adapter.dump_json(one.expert)) == one.expert


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_has_operations_of_tensorflow_serving_and_gives_the_same_margins(
    kind: str, tmp_path: Path
) -> None:
    experts, inputs = fitted(kind), batch()
    panel = panel_of(experts)
    expected = panel(ExpertInputs(**inputs)).numpy()
    assert expected.shape == np.concatenate([f.out_of_fold for f in experts], axis=1).shape
    assert np.isfinite(expected).all()
    specs = tf.nest.map_structure(lambda x: tf.TensorSpec([None, *x.shape[1:]], x.dtype), inputs)
    panel.serve = tf.function(
        lambda given: panel(ExpertInputs(**given)), input_signature=[specs], autograph=False
    )
    tf.saved_model.save(panel, str(tmp_path / "m"))
    assert not_served(tmp_path / "m") == set()
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    np.testing.assert_allclose(loaded.serve(inputs), expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_has_the_same_margins_in_any_batch(kind: str) -> None:
    panel, inputs = panel_of(fitted(kind)), batch()
    together = panel(ExpertInputs(**inputs)).numpy()
    for rows in (slice(0), slice(7, 8), slice(3, 90)):
        some = tf.nest.map_structure(operator.itemgetter(rows), inputs)
        np.testing.assert_allclose(panel(ExpertInputs(**some)), together[rows], atol=1e-5)


@pytest.mark.parametrize("name", ["py_function", "numpy_function"])
def test_a_graph_that_calls_python_is_noticed(name: str, tmp_path: Path) -> None:
    owner = tf.Module()
    owner.serve = tf.function(
        lambda x: getattr(tf, name)(lambda y: y, [x], tf.float32),
        input_signature=[tf.TensorSpec([None])],
    )
    tf.saved_model.save(owner, str(tmp_path))
    assert not_served(tmp_path) == {"EagerPyFunc" if name == "py_function" else "PyFunc"}
