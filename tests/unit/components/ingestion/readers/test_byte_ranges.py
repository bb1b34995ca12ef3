from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from components.ingestion.readers import byte_ranges
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.byte_ranges import lines_before
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.readers.jsonl import JsonLinesReader
from models.masked_url import MaskedUrl
from tests.unit.components.ingestion.readers.reading import read

VALUES = st.text(st.sampled_from('a,"\n\r ä'), max_size=6)


def parts(reader: CsvReader, size: int) -> tuple[int, pa.Table, list[BadRecord]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_ranges, "UNIT_BYTES", size)
        patch.setattr(byte_ranges, "SCAN_BYTES", 7)
        return len(reader.units(Path(reader.path))), *read(reader)


@settings(max_examples=50)
@given(st.lists(st.lists(VALUES, min_size=2, max_size=3), min_size=1), st.integers(10, 40))
@example([['"\n"', "a"], ["\n", "\r\n"], ["x"]], 10)
def test_any_table_reads_the_same_in_parts(rows: list[list[str]], size: int) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b"])
    writer.writerows(rows)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "a.csv"
        file.write_bytes(out.getvalue().encode())
        reader = CsvReader(path=str(file), types={"a": "string", "b": "string"})
        table, bad = read(reader)
        _, found, found_bad = parts(reader, size)
    assert found.equals(table)
    assert found_bad == bad


def test_quotes_that_cannot_be_counted_keep_a_file_whole(tmp_path: Path) -> None:
    regular = '"x, ""y""",2\n' * 50
    for name, content, whole in (
        ("regular.csv", regular, False),
        ("inches.csv", regular + '5" disk,3\n', True),
        ("open.csv", regular + '"a"b,3\n', True),
    ):
        file = tmp_path / name
        file.write_text("a,b\n" + content)
        units, table, _ = parts(CsvReader(path=str(file)), 100)
        assert (units == 1) == whole
        assert table.num_rows >= 50


def test_encodings_of_several_bytes_keep_a_file_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(("a,b\n" + "1,2\n" * 50).encode("utf-16"))
    units, table, _ = parts(CsvReader(path=str(file), encoding="utf-16"), 100)
    assert (units, table.num_rows) == (1, 50)


def test_a_look_at_the_first_rows_is_none_at_all_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pa.table({"a": list(range(300)), "b": [f"{i} texts" for i in range(300)]})
    arrow_csv.write_csv(table, tmp_path / "a.csv")
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in table.to_pylist()))
    for of_format in (CsvReader, JsonLinesReader):
        monkeypatch.setattr(of_format, "file_units", None)
        found = of_format(path=MaskedUrl(str(tmp_path / f"a.{of_format.format}"))).peek(250)
        assert found.to_pylist() == table.slice(0, 250).to_pylist()


def test_a_line_that_is_longer_than_a_unit_keeps_a_file_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"a,b\r" + b"1,2\r" * 50)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_ranges, "UNIT_BYTES", 100)
        (unit,) = CsvReader(path=str(file)).units(file)
    assert (unit.stop, unit.ranges) == (None, ())


def test_lines_before_count_as_python_counts_them(tmp_path: Path) -> None:
    data = b"a\r\nb\rc\nd\r\n"
    (tmp_path / "f").write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(byte_ranges, "SCAN_BYTES", 2)
        assert lines_before(tmp_path / "f", [0, 8, len(data)]) == [0, 3, 4]
