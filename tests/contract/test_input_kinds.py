"""The contract of input kinds, from a column of a file to the served graph.

Kinds are found by discovery. A kind whose spec has required fields also needs an entry in
`REQUIRED`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import TypeAdapter

from components.artifacts import Batches, Examples
from components.data.raw import raw_inputs
from components.inputs.base import InputKind, all_kinds, column_of, kind_of
from components.stage import Context
from components.statistics.column_statistics import ListColumn, SplitStatistics, load_statistics
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.transform.batches import load_columns, write_shard
from components.transform.fit.base import InputFit
from components.transform.preprocessing_file import load_preprocessing
from components.transform.transform import Transform, TransformInputs
from models.discovery import methods, part
from models.inputs.base import Feature, Input, RawType
from models.inputs.layers.base import FeaturePreprocessing
from models.inputs.layers.preprocessing import Preprocessing
from models.lazy import tf
from models.trunks.encoders.base import FeatureEncoder
from models.trunks.layers.members import members_of
from models.trunks.scratch import Scratch
from tests.own_layers import LAYERS
from tests.serving_operations import not_served

KINDS = sorted(methods("models.inputs", Input, "kind"))
FEATURE_KINDS = sorted(methods("models.inputs", Feature, "kind"))
REQUIRED: dict[str, Callable[[Path], dict[str, Any]]] = {
    "image": lambda directory: {"height": 4, "width": 3},
    "layer": lambda directory: {"module": str(layer_module(directory)), "layer": "Share"},
}
ROWS = 30
RNG = np.random.default_rng(0)


def layer_module(directory: Path) -> Path:
    file = directory / "layers.py"
    file.write_text(LAYERS)
    return file


def spec_of(kind: str, directory: Path) -> Input:
    fields = REQUIRED.get(kind, lambda directory: {})(directory)
    adapter: TypeAdapter[Input] = TypeAdapter(Input)
    return adapter.validate_python({"kind": kind, "name": "x", "column": "c", **fields})


def png() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (5, 6, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def column(raw: RawType) -> pa.Array:
    """Values of a raw type; every seventh is missing."""
    values: dict[RawType, Callable[[], Any]] = {
        "bytes": png,
        "text": lambda: " ".join(RNG.choice(["red", "green", "blue"], 2)),
        "number": lambda: float(RNG.normal()),
    }
    return pa.array([None if row % 7 == 0 else values[raw]() for row in range(ROWS)])


@dataclass
class Prepared:
    """An input of a kind, and the outputs of the stages for it."""

    spec: Input
    kind: InputKind[Any]
    rows: pa.Table
    train: SplitStatistics
    feature: Feature
    batches: Batches


def context(directory: Path) -> Context:
    for name in ("output", "scratch"):
        (directory / name).mkdir(parents=True)
    return Context(directory / "output", directory / "scratch")


@pytest.fixture(scope="module", params=KINDS)
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    directory = tmp_path_factory.mktemp(request.param)
    spec = spec_of(request.param, directory)
    rows = pa.table({"c": column(spec.raw)})
    for split in ("train", "val"):
        (directory / "examples" / split).mkdir(parents=True)
        pq.write_table(rows, directory / "examples" / split / "part-00000.parquet")
    examples = Examples(directory / "examples", "digest")
    kind = kind_of(spec)
    described = {
        "images": ("c",) if kind.described_as == "image" else (),
        "texts": ("c",) if kind.described_as == "text" else (),
    }
    statistics = (
        StatisticsGen(**described)
        .run(StatisticsGenInputs(examples), context(directory / "s"))
        .statistics
    )
    outputs = Transform(inputs=(spec,)).run(
        TransformInputs(examples, statistics), context(directory / "t")
    )
    (feature,) = load_preprocessing(outputs.preprocessing)
    train = load_statistics(statistics)["train"]
    return Prepared(spec, kind, rows, train, feature, outputs.batches)


@pytest.mark.parametrize("kind", KINDS)
def test_an_input_kind_has_all_its_parts(kind: str) -> None:
    assert part("components.inputs", InputKind, kind) in map(type, all_kinds())
    assert part("components.transform.fit", InputFit, kind)
    assert part("models.trunks.encoders", FeatureEncoder, kind)


@pytest.mark.parametrize("kind", FEATURE_KINDS)
def test_a_feature_kind_can_be_preprocessed(kind: str) -> None:
    assert part("models.inputs.layers", FeaturePreprocessing, kind)


def test_features_come_from_an_input_kind(tmp_path: Path) -> None:
    kinds = {feature for kind in KINDS for feature in spec_of(kind, tmp_path).feature_kinds}
    assert kinds == set(FEATURE_KINDS)


@pytest.mark.slow
def test_the_feature_is_one_of_the_kind_and_reads_the_same_values(prepared: Prepared) -> None:
    assert prepared.feature.kind in prepared.spec.feature_kinds
    assert prepared.feature.raw == prepared.spec.raw
    assert (prepared.feature.name, prepared.feature.column) == ("x", "c")
    assert prepared.spec.check() == []
    assert prepared.spec.check_trained(prepared.feature) == ""


def test_specs_and_features_are_read_back_from_json(prepared: Prepared) -> None:
    for value, base in ((prepared.spec, Input), (prepared.feature, Feature)):
        adapter: TypeAdapter[Any] = TypeAdapter(base)
        assert adapter.validate_json(adapter.dump_json(value)) == value


def test_it_can_read_its_column_and_refuses_another(prepared: Prepared) -> None:
    assert column_of(prepared.spec, prepared.train).present == ROWS - 5
    problem = prepared.kind.unfit(prepared.spec, ListColumn(name="c", type="list<item: string>"))
    assert problem.startswith("inputs.x: column 'c' holds list<item: string> values")


@pytest.mark.slow
def test_batches_hold_what_the_served_graph_computes(prepared: Prepared, tmp_path: Path) -> None:
    feature = prepared.feature
    stored = load_columns(prepared.batches, "train", (feature,))["x"]
    assert stored.shape == (ROWS, *feature.shape)
    assert stored.dtype == np.dtype(feature.dtype)
    assert feature.invalid_row(stored) is None
    preprocessing = Preprocessing((feature,))
    signature = {"x": tf.TensorSpec([None], feature.raw_dtype, "x")}
    call = tf.function(preprocessing.__call__, input_signature=[signature])
    tf.saved_model.save(preprocessing, str(tmp_path / "model"), signatures=call)
    del preprocessing, call
    assert not_served(tmp_path / "model") == set()
    served = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    raw = tf.constant(raw_inputs(prepared.rows, [feature])["x"], feature.raw_dtype)
    np.testing.assert_array_equal(served(x=raw)["x"], stored)


def test_a_missing_value_is_preprocessed_as_an_empty_one(prepared: Prepared) -> None:
    stored = load_columns(prepared.batches, "train", (prepared.feature,))["x"]
    empty = np.nan if prepared.feature.raw == "number" else ""
    raw = tf.constant([empty], prepared.feature.raw_dtype)
    (expected,) = Preprocessing((prepared.feature,))({"x": raw})["x"].numpy()
    for row in range(0, ROWS, 7):
        np.testing.assert_array_equal(stored[row], expected)


def test_batches_survive_arrow(prepared: Prepared, tmp_path: Path) -> None:
    values = load_columns(prepared.batches, "train", (prepared.feature,))
    (tmp_path / "val").mkdir()
    write_shard(tmp_path / "val" / "part-00000.arrow", values, (prepared.feature,))
    again = load_columns(Batches(tmp_path, "digest"), "val", (prepared.feature,))
    np.testing.assert_array_equal(again["x"], values["x"])


def test_the_scratch_trunk_encodes_it(prepared: Prepared) -> None:
    values = load_columns(prepared.batches, "train", (prepared.feature,))
    trunk = Scratch(width=4).build((prepared.feature,))
    encoded = trunk({"x": tf.constant(values["x"])}, training=False).numpy()
    assert encoded.shape == (ROWS * members_of(trunk), 4)
    assert np.isfinite(encoded).all()
    assert all("." in layer.name for layer in trunk.layers if layer.weights)


@pytest.mark.parametrize("wide", [False, True])
def test_the_classical_baseline_reads_it(prepared: Prepared, wide: bool) -> None:
    rows = prepared.rows.filter(prepared.rows["c"].is_valid())
    columns = prepared.kind.baseline_columns(prepared.spec, rows["c"])
    assert len(columns) == rows.num_rows
    assert all(c == "x" or c.startswith("x.") for c in columns)
    transformer, selected = prepared.kind.baseline_encoder(prepared.spec, wide)
    from sklearn.compose import make_column_transformer

    encoded = make_column_transformer((transformer, selected)).fit_transform(columns)
    assert encoded.shape[0] == rows.num_rows


def test_a_guess_is_a_valid_spec(prepared: Prepared) -> None:
    guess = prepared.kind.guess("c", prepared.rows["c"])
    if isinstance(guess, dict):
        adapter: TypeAdapter[Input] = TypeAdapter(Input)
        assert adapter.validate_python({"name": "x", "column": "c", **guess}).kind == (
            prepared.spec.kind
        )
