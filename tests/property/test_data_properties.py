"""Properties of data for any values: keys, splits, statistics, labels, delimited text."""

from __future__ import annotations

import csv
import io
import math
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.row_keys import key_bytes, split_indices
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.splits import HashSplits
from components.labels.encoding import encode, resolve
from components.statistics.accumulators import accumulator
from components.statistics.column_statistics import NumericColumn
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask

WORDS = st.one_of(st.none(), st.text(max_size=6))
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=20, unique=True)
CELL = st.text(st.sampled_from("ab ,;\"'\n\té0"), max_size=5)


@pytest.mark.slow
@given(PAIRS)
def test_different_keys_have_different_bytes(pairs: list[tuple[str | None, str | None]]) -> None:
    rows = pa.RecordBatch.from_pydict(
        {
            "a": pa.array([a for a, _ in pairs], pa.string()),
            "b": pa.array([b for _, b in pairs], pa.string()),
        }
    )
    assert len(set(key_bytes(rows, ["a", "b"]))) == len(pairs)


@given(
    st.lists(st.text(max_size=8), min_size=1, max_size=50),
    st.permutations(range(3)),
    st.floats(0.1, 0.9),
)
def test_the_split_of_a_row_does_not_depend_on_other_rows(
    values: list[str], order: list[int], train: float
) -> None:
    shares = HashSplits(train=train, val=(1 - train) / 2, test=(1 - train) / 2).shares
    rows = pa.RecordBatch.from_pydict({"a": pa.array(values)})
    whole = split_indices(rows, ["a"], shares).tolist()
    assert whole == [split_indices(rows.slice(i, 1), ["a"], shares)[0] for i in range(len(values))]


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
)
def test_statistics_do_not_depend_on_sharding(values: list[float | None], cuts: list[int]) -> None:
    column = pa.array(values, pa.float64())
    field = pa.field("x", pa.float64())
    whole = accumulator(field, False, False)
    whole.add(column)
    merged = accumulator(field, False, False)
    edges = [0, *sorted(min(c, len(values)) for c in cuts), len(values)]
    for start, stop in pairwise(edges):
        part = accumulator(field, False, False)
        part.add(column.slice(start, stop - start))
        merged.merge(part)
    a, b = whole.result(), merged.result()
    assert isinstance(a, NumericColumn)
    assert isinstance(b, NumericColumn)
    assert (a.present, a.missing, a.zeros, a.minimum, a.maximum, a.values, a.percentiles) == (
        b.present,
        b.missing,
        b.zeros,
        b.minimum,
        b.maximum,
        b.values,
        b.percentiles,
    )
    present = [v for v in values if v is not None]
    if present:
        assert math.isclose(b.mean, np.mean(present), rel_tol=1e-9, abs_tol=1e-6)
        assert math.isclose(b.deviation, np.std(present), rel_tol=1e-6, abs_tol=1e-6)


@given(st.lists(WORDS, min_size=1, max_size=30))
def test_class_indices_name_the_labels(values: list[str | None]) -> None:
    column = pa.chunked_array([pa.array(values, pa.string())])
    target = resolve(MulticlassTask(name="t", label="y"), column)
    encoded = encode(target, column, len(values))
    assert [None if i < 0 else target.classes[i] for i in encoded] == values
    assert sum(target.class_counts) == target.labelled == len(values) - values.count(None)


@given(st.lists(st.one_of(st.none(), st.sets(st.sampled_from("abcd"))), min_size=1, max_size=20))
def test_multilabel_rows_hold_their_labels(rows: list[set[str] | None]) -> None:
    lists = [None if r is None else sorted(r) for r in rows]
    column = pa.chunked_array([pa.array(lists, pa.list_(pa.string()))])
    target = resolve(MultilabelTask(name="t", label="y"), column)
    for row, encoded in zip(rows, encode(target, column, len(rows)), strict=True):
        if row is None:
            assert np.isnan(encoded).all()
        else:
            assert {c for c, on in zip(target.classes, encoded, strict=True) if on} == row


@given(
    st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=12),
    st.sampled_from([",", "\t", ";"]),
)
def test_delimited_text_reads_what_csv_wrote(rows: list[list[str]], delimiter: str) -> None:
    """Good rows are read unchanged; every other row is a bad record with its line number."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["p", "q"])
    lines = []
    for row in rows:
        lines.append(out.getvalue().count("\n") + 1)
        writer.writerow(row)
    with TemporaryDirectory() as directory:
        file = Path(directory, "a.csv")
        file.write_text(out.getvalue(), encoding="utf-8", newline="")
        reader = CsvReader(
            path=str(file),
            delimiter=delimiter,
            null_values=(),
            types={"p": "string", "q": "string"},
        )
        schema = reader.schema(file)
        items = [i for u in reader.units(file) for i in reader.read(u, schema)]
    good = [tuple(r.values()) for i in items if not isinstance(i, BadRecord) for r in i.to_pylist()]
    assert good == [tuple(r) for r in rows if len(r) == 2]
    bad = [i.position for i in items if isinstance(i, BadRecord)]
    assert bad == [n for n, r in zip(lines, rows, strict=True) if len(r) != 2]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=6), max_size=20))
def test_distinct_values_are_counted_exactly(values: list[str]) -> None:
    counted = accumulator(pa.field("s", pa.string()), False, False)
    counted.add(pa.array(values, pa.string()))
    result = counted.result()
    expected = {v: values.count(v) for v in values}
    assert dict(result.values.counts) == expected  # type: ignore[union-attr]
    assert sum(expected.values()) == len(values) == pytest.approx(result.present)
