from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import RootstockError
from components.ingestion.readers import parquet
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.parquet import ParquetReader


def read(path: Path) -> pa.Table:
    reader = ParquetReader(path=str(path))
    schema = reader.schema(path)
    items = [i for u in reader.units(path) for i in reader.read(u, schema)]
    assert not any(isinstance(i, BadRecord) for i in items)
    return pa.Table.from_batches(items, schema)


def test_types_become_plain(tmp_path: Path) -> None:
    table = pa.table(
        {
            "small": pa.array([1, None], pa.int8()),
            "half": pa.array([0.5, None], pa.float32()),
            "money": pa.array([Decimal("1.25"), None], pa.decimal128(5, 2)),
            "day": pa.array([datetime.date(2020, 1, 2), None]),
            "category": pa.array(["a", None]).dictionary_encode(),
            "large": pa.array(["x", None], pa.large_string()),
            "tags": pa.array([["a", "b"], None], pa.large_list(pa.string())),
            "image": pa.array([{"bytes": b"png", "path": "p"}, None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet").to_pylist() == [
        {
            "small": 1,
            "half": 0.5,
            "money": 1.25,
            "day": "2020-01-02",
            "category": "a",
            "large": "x",
            "tags": ["a", "b"],
            "image": b"png",
        },
        dict.fromkeys(table.column_names),
    ]


def test_files_with_different_columns_are_united(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": ["x"], "a": [0.5]}), tmp_path / "2.parquet")
    assert read(tmp_path).to_pydict() == {"a": [1.0, 2.0, 0.5], "b": [None, None, "x"]}


def test_incompatible_types_name_both_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "2.parquet")
    with pytest.raises(RootstockError, match=r"'a' is int64 in .*1\.parquet but string in .*2\."):
        read(tmp_path)


def test_row_groups_become_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"a": list(range(50))}), file, row_group_size=10)
    monkeypatch.setattr(parquet, "UNIT_BYTES", 1)
    units = ParquetReader(path=str(file)).units(file)
    assert [(u.start, u.stop) for u in units] == [(i, i + 1) for i in range(5)]
    assert read(file).column("a").to_pylist() == list(range(50))


def test_damaged_files_and_unsupported_types_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(RootstockError, match=r"a\.parquet: is not a Parquet file"):
        read(tmp_path / "a.parquet")
    pq.write_table(pa.table({"m": [{"x": 1}]}), tmp_path / "b.parquet")
    with pytest.raises(RootstockError, match=r"b\.parquet: column 'm' is struct"):
        read(tmp_path / "b.parquet")
