from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts import Examples
from components.export.expected_outputs import (
    EXPECTED_ROWS,
    first_rows,
    read_details,
    read_expected,
    write_expected,
)
from models.inputs.numeric import NumericFeature

FEATURES = (NumericFeature(name="size", column="s", mean=0.0, deviation=1.0),)


def test_examples_and_answers_are_read_as_they_were_written(tmp_path: Path) -> None:
    raw = {
        "size": np.array([1.5, np.nan], "float32"),
        "word": np.array([b"a", "ä".encode()], object),
    }
    outputs = {"ripe": np.array([[0.1], [0.9]], "float32"), "sort": np.eye(2, dtype="float32")}
    write_expected(tmp_path / "expected.parquet", raw, outputs)
    read_raw, read_outputs = read_expected(tmp_path / "expected.parquet")
    np.testing.assert_equal(read_raw, raw)
    np.testing.assert_equal(read_outputs, outputs)
    assert read_details(tmp_path / "expected.parquet") == {}


def test_details_are_apart_from_answers(tmp_path: Path) -> None:
    file, answers = tmp_path / "expected.parquet", {"ripe": np.array([[0.1], [0.9]], "float32")}
    details = {
        "ripe.class": np.array([b"no", b"yes\0"], object),
        "ripe.set": np.array([[True, False], [False, True]]),
        "ripe.uncalibrated": np.array([[0.25], [0.5]], "float32"),
    }
    write_expected(file, {"size": np.array([1, 2], "float32")}, answers, details)
    assert [set(part) for part in read_expected(file)] == [{"size"}, {"ripe"}]
    np.testing.assert_equal(read_details(file), details)


@pytest.mark.parametrize(("splits", "first"), [(("train", "val"), 100), (("train",), 0)])
def test_rows_come_from_validation_or_else_from_training(
    splits: tuple[str, ...], first: int, tmp_path: Path
) -> None:
    for split in splits:
        (tmp_path / split).mkdir()
        start = 100 if split == "val" else 0
        empty = pa.table({"s": pa.array([], pa.int64()), "other": pa.array([], pa.int64())})
        rows = pa.table({"s": range(start, start + 50), "other": range(50)})
        pq.write_table(empty, tmp_path / split / "part-00000.parquet")
        pq.write_table(rows, tmp_path / split / "part-00001.parquet")
    batch = first_rows(Examples(tmp_path), FEATURES)
    assert batch.schema.names == ["s"]
    assert batch.column("s").to_pylist() == list(range(first, first + EXPECTED_ROWS))
