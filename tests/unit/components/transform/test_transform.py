from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from components.artifacts import Examples
from components.data.digests import digest_tree
from components.errors import RootstockError
from components.stage import Context, Silent
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.transform.batches import load_columns
from components.transform.preprocessing_file import load_preprocessing
from components.transform.transform import Transform, TransformInputs, TransformOutputs
from components.transform.vocabularies import count_words
from models.inputs.base import Input
from models.inputs.categorical import CategoricalFeature, CategoricalInput
from models.inputs.image import ImageInput
from models.inputs.numeric import NumericFeature, NumericInput
from models.inputs.text import TextFeature, TextInput

Make = Callable[[str], Context]


def png(value: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 4), (value, 0, 0)).save(out, "PNG")
    return out.getvalue()


TRAIN = pa.table(
    {
        "image": [png(10), png(20), None, png(40)],
        "text": ["The cat!", "the  dog, the CAT", None, "a bird"],
        "size": [1.0, 3.0, None, 5.0],
        "tail": [0.0, 0.0, 1e6, None],
        "code": [7, 3, 7, None],
        "flat": [1, 1, 1, 1],
    }
)
VAL = pa.table(
    {
        "image": [png(99)],
        "text": ["cat fish"],
        "size": [3.0],
        "tail": [0.0],
        "code": [9],
        "flat": [1],
    }
)
INPUTS: tuple[Input, ...] = (
    ImageInput(name="image", column="image", height=2, width=2),
    TextInput(name="words", column="text", vocabulary_size=3, length=3),
    NumericInput(name="size", column="size"),
    NumericInput(name="tail", column="tail", log=True),
    CategoricalInput(name="code", column="code", max_values=2),
)


VAL_X = pa.table({"x": [1]})


def written(root: Path, train: list[pa.Table], val: pa.Table = VAL) -> Examples:
    for split, shards in {"train": train, "val": [val]}.items():
        (root / split).mkdir(parents=True)
        for i, table in enumerate(shards):
            pq.write_table(table, root / split / f"part-{i:05d}.parquet")
    return Examples(root, "digest")


def transformed(
    examples: Examples, new_context: Make, name: str = "t", inputs: tuple[Input, ...] = INPUTS
) -> TransformOutputs:
    given = StatisticsGen(images=("image",), texts=("text",))
    statistics = given.run(StatisticsGenInputs(examples), new_context(f"s{name}")).statistics
    return Transform(inputs=inputs).run(TransformInputs(examples, statistics), new_context(name))


@pytest.mark.slow
def test_state_comes_from_training_rows(tmp_path: Path, new_context: Make) -> None:
    outputs = transformed(written(tmp_path / "e", [TRAIN[:2], TRAIN[2:]]), new_context)
    _, words, size, tail, code = load_preprocessing(outputs.preprocessing)
    assert isinstance(words, TextFeature)
    assert words.vocabulary == ("the", "cat", "a")
    assert isinstance(size, NumericFeature)
    assert (size.mean, size.deviation) == (3.0, pytest.approx((8 / 3) ** 0.5))
    assert isinstance(tail, NumericFeature)
    assert (tail.mean, tail.log) == (pytest.approx(np.log1p(1e6) / 3), True)
    assert isinstance(code, CategoricalFeature)
    assert code.vocabulary == ("7", "3")


def test_every_split_is_preprocessed_in_the_order_of_its_rows(
    tmp_path: Path, new_context: Make
) -> None:
    outputs = transformed(written(tmp_path / "e", [TRAIN[:2], TRAIN[2:]]), new_context)
    features = load_preprocessing(outputs.preprocessing)
    train = load_columns(outputs.batches, "train", features)
    assert train["image"].shape == (4, 2, 2, 3)
    assert train["image"][:, 0, 0, 0].tolist() == [10, 20, 0, 40]
    assert train["words"].tolist() == [[2, 3, 0], [2, 1, 2], [0, 0, 0], [4, 1, 0]]
    size = np.array([-2, 0, np.nan, 2]) / (8 / 3) ** 0.5
    np.testing.assert_allclose(train["size"], size, rtol=1e-6)
    assert train["code"].tolist() == [2, 3, 2, 0]
    val = load_columns(outputs.batches, "val", features)
    assert val["words"].tolist() == [[3, 1, 0]]
    assert val["code"].tolist() == [1]


def test_numbers_in_bins(tmp_path: Path, new_context: Make) -> None:
    values = np.random.default_rng(0).lognormal(size=997).astype(np.float32)
    rows = pa.table({"x": pa.array([*values.tolist(), None])})
    examples = written(tmp_path / "e", [rows], val=pa.table({"x": [-1.0, 1e9]}))
    given = (
        NumericInput(name="equal", column="x", bins=8),
        NumericInput(name="given", column="x", bins=(0.5, 1.0, 2.0)),
    )
    outputs = transformed(examples, new_context, inputs=given)
    features = load_preprocessing(outputs.preprocessing)
    train = load_columns(outputs.batches, "train", features)
    counts = np.bincount(train["equal"])
    assert counts[:2].tolist() == [1, 0]
    assert abs(counts[2:] - 997 / 8).max() <= 997 * 0.011, (
        "whole percentiles, each to half a percent"
    )
    assert features[0].kind == "numeric"
    assert features[0].ids == len(counts) == 10
    assert train["given"].tolist() == [*(2 + np.digitize(values, [0.5, 1, 2])).tolist(), 0]
    assert load_columns(outputs.batches, "val", features)["equal"].tolist() == [2, 9]


def test_bins_of_a_column_of_few_values(tmp_path: Path, new_context: Make) -> None:
    examples = written(tmp_path / "e", [pa.table({"x": [0] * 90 + [3] * 10})], val=VAL_X)
    outputs = transformed(
        examples, new_context, inputs=(NumericInput(name="x", column="x", bins=20),)
    )
    features = load_preprocessing(outputs.preprocessing)
    assert isinstance(features[0], NumericFeature)
    assert all(0 < b <= 3 for b in features[0].boundaries)
    assert set(load_columns(outputs.batches, "train", features)["x"][:90].tolist()) == {2}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_no_bin_is_empty(tmp_path: Path, new_context: Make, seed: int) -> None:
    values = np.random.default_rng(seed).poisson(40, 3000)
    examples = written(tmp_path / "e", [pa.table({"x": values})], val=VAL_X)
    given = NumericInput(name="x", column="x", bins=50)
    outputs = transformed(examples, new_context, inputs=(given,))
    (feature,) = load_preprocessing(outputs.preprocessing)
    assert isinstance(feature, NumericFeature)
    train = load_columns(outputs.batches, "train", (feature,))["x"]
    assert set(train.tolist()) == set(range(2, feature.ids))


def test_a_column_with_too_many_equal_values_has_no_bins(tmp_path: Path, new_context: Make) -> None:
    examples = written(tmp_path / "e", [pa.table({"x": [0] * 97 + [1, 2, 3]})], val=VAL_X)
    given = NumericInput(name="x", column="x", bins=10)
    with pytest.raises(RootstockError, match="too many rows hold its smallest value, 0"):
        transformed(examples, new_context, inputs=(given,))


@pytest.mark.slow
def test_same_bytes_every_time_and_after_a_crash(tmp_path: Path, new_context: Make) -> None:
    examples = written(tmp_path / "e", [TRAIN[:2], TRAIN[2:]])
    first = transformed(examples, new_context, "one")
    again = transformed(examples, new_context, "two")
    # the second attempt finds no results in scratch: they are forgotten before files are moved
    third = transformed(examples, new_context, "one")
    for other in (again, third):
        assert digest_tree(first.batches.path) == digest_tree(other.batches.path)
        assert digest_tree(first.preprocessing.path) == digest_tree(other.preprocessing.path)


@pytest.mark.slow
def test_an_image_that_only_tensorflow_refuses_is_named(tmp_path: Path, new_context: Make) -> None:
    broken = TRAIN.set_column(0, "image", pa.array([png(1), png(2)[:-20], None, png(3)]))
    examples = written(tmp_path / "e", [broken])
    with pytest.raises(
        RootstockError, match=r"train, shard part-00000, row 1: cannot be preprocessed: Invalid PNG"
    ):
        transformed(examples, new_context, inputs=INPUTS[:1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (NumericInput(name="n", column="no"), r"inputs\.n: no column 'no' in the examples"),
        (NumericInput(name="n", column="text"), r"'text' holds string values\. Expected numbers"),
        (TextInput(name="n", column="code"), r"'code' holds int64 values\. Expected text"),
        (
            ImageInput(name="n", column="code", height=1, width=1),
            r"'code' holds int64 values\. Expected encoded images",
        ),
        (NumericInput(name="n", column="flat", bins=4), r"'flat' cannot be put into `bins`"),
        (CategoricalInput(name="n", column="image"), r"Expected text, whole numbers or booleans"),
    ],
)
def test_inputs_that_cannot_read_their_column(
    tmp_path: Path, new_context: Make, given: Input, message: str
) -> None:
    with pytest.raises(RootstockError, match=message):
        transformed(written(tmp_path / "e", [TRAIN]), new_context, inputs=(given,))


def test_words_are_counted_as_they_are_cleaned(tmp_path: Path) -> None:
    pq.write_table(pa.table({"t": ["<b>Free</b> at www.x.example 24/7", None]}), tmp_path / "s")
    plain, cleaned = ("t", ()), ("t", ("html", "urls", "numbers"))
    counted = count_words(0, tmp_path / "s", columns=(plain, cleaned))
    words = {key: set(found.words.counts()[0].to_pylist()) for key, found in counted.items()}
    assert words[cleaned] == {b"free", b"at"}
    assert {b"b", b"www", b"24"} < words[plain]
    assert counted[cleaned].lengths == {2: 1, 0: 1}


class Heard(Silent):
    """Keeps figures and warnings."""

    def __init__(self) -> None:
        self.figures: dict[str, float | int | str] = {}
        self.warnings: list[str] = []

    def figure(self, name: str, value: float | int | str) -> None:
        self.figures[name] = value

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def test_it_is_said_how_many_texts_are_cut(tmp_path: Path, new_context: Make) -> None:
    texts = pa.table({"text": ["a b c d", "a b c", None, "a"]})
    examples = written(tmp_path / "e", [texts[:2], texts[2:]], val=texts[:1])
    statistics = StatisticsGen(texts=("text",)).run(
        StatisticsGenInputs(examples), new_context("statistics")
    )
    heard = Heard()
    context = replace(new_context("t"), observer=heard)
    inputs = (
        TextInput(name="short", column="text", length=3),
        TextInput(name="whole", column="text"),
    )
    Transform(inputs=inputs).run(TransformInputs(examples, statistics.statistics), context)
    assert heard.figures["short length"] == "3 words, 40.0% of texts cut"
    assert heard.figures["whole length"] == "4 words, 0.0% of texts cut"
    (warning,) = heard.warnings
    assert warning.startswith("inputs.short: 40.0% of texts cut: only their first 3 words are read")
    assert "inputs.short.length" in warning


def test_outliers_of_a_number_do_not_squeeze_the_others(tmp_path: Path, new_context: Make) -> None:
    x = np.random.default_rng(0).normal(50, 4, 400)
    x[::100] *= 1000
    mostly_zero = np.where(np.arange(400) % 10 == 0, 5000.0, 0.0)
    rows = pa.table({"x": x, "zeros": mostly_zero})
    columns = (NumericInput(name="x", column="x"), NumericInput(name="zeros", column="zeros"))
    examples = written(tmp_path / "e", [rows], rows.slice(0, 1))
    outputs = transformed(examples, new_context, "t", columns)
    number, zeros = load_preprocessing(outputs.preprocessing)
    assert isinstance(number, NumericFeature)
    assert isinstance(zeros, NumericFeature)
    assert (number.compresses, zeros.compresses) == (True, False)
    found = load_columns(outputs.batches, "train", (number, zeros))
    usual = np.delete(found["x"], np.arange(0, 400, 100))
    assert usual.std() == pytest.approx(1, rel=0.15)
    assert abs(usual).max() < 10
    outliers = found["x"][::100]
    assert ((outliers > 10) & (outliers < 25)).all()
    assert (np.argsort(outliers) == np.argsort(x[::100])).all()  # their order is kept
    assert found["zeros"].std() == pytest.approx(1, rel=1e-5)
