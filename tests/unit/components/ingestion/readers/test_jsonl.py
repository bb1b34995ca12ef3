from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from components.errors import RootstockError
from components.ingestion.readers import byte_ranges, jsonl
from components.ingestion.readers.jsonl import JsonLinesReader
from tests.unit.components.ingestion.readers.reading import read


def reader(folder: Path, content: str | bytes, **options: object) -> JsonLinesReader:
    file = folder / "a.jsonl"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return JsonLinesReader(path=str(file), **options)  # type: ignore[arg-type]


def test_types_and_missing_keys(tmp_path: Path) -> None:
    table, bad = read(
        reader(
            tmp_path,
            '{"i": 1, "f": 1, "s": "2020-01-01", "l": ["a"], "b": true}\n\n'
            '{"f": 2.5, "s": null, "l": []}\n',
        )
    )
    assert bad == []
    assert table.to_pylist() == [
        {"i": 1, "f": 1.0, "s": "2020-01-01", "l": ["a"], "b": True},
        {"i": None, "f": 2.5, "s": None, "l": [], "b": None},
    ]


@pytest.mark.parametrize("lines", [100, 6])
def test_a_column_without_a_value_in_the_first_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    monkeypatch.setattr(jsonl, "INFER_LINES", 3)
    monkeypatch.setattr(jsonl, "SEARCH_LINES", lines)
    rows = [{"a": "x" if i < 5 else None, "b": None if i < 9 else i, "c": None} for i in range(12)]
    source = reader(tmp_path, "\n".join(map(json.dumps, rows)))
    table, bad = read(source)
    searched = lines == 100
    assert len(bad) == (0 if searched else 3)
    assert table.to_pylist() == (rows if searched else rows[:9])


def test_nested_objects_become_columns(tmp_path: Path) -> None:
    lines = '{"user": {"id": 1, "at": {"city": "Bonn"}}}\n{"user": {"id": 2}}\n'
    table, _ = read(reader(tmp_path, lines))
    assert table.to_pylist() == [
        {"user.id": 1, "user.at.city": "Bonn"},
        {"user.id": 2, "user.at.city": None},
    ]


def test_every_hundredth_line_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 5_000)
    broken = [b'{"a": 1', b'"text"', b'{"a": "x"}', b"\xff{}", b'{"a": 99999999999999999999}']
    lines = [json.dumps({"a": i, "w": "w" * (i % 9)}).encode() for i in range(2_000)]
    wrong = range(150, 2_000, 100)
    for k, i in enumerate(wrong):
        lines[i] = broken[k % len(broken)]
    table, bad = read(reader(tmp_path, b"\n".join(lines)))
    assert sorted(b.position for b in bad) == [i + 1 for i in wrong]
    assert table.column("a").to_pylist() == [i for i in range(2_000) if i not in wrong]
    reasons = {b.reason.split(":")[0] for b in bad}
    assert {"is not JSON", "is a JSON str; expected an object", "column 'a'"} < reasons


def test_parts_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.dumps({"a": i}) for i in range(500)]
    lines[321] = "broken"
    source = reader(tmp_path, "\n".join(lines))
    whole = read(source)
    monkeypatch.setattr(byte_ranges, "UNIT_BYTES", 700)
    assert len(source.units(Path(source.path))) > 5
    parts = read(source)
    assert parts[0].equals(whole[0])
    assert parts[1] == whole[1]
    assert [b.position for b in parts[1]] == [322]


def test_compressed_and_given_types(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"code": 7}\n{"code": 8}\n'))
    table, bad = read(JsonLinesReader(path=str(file), types={"later": "int"}))
    assert table.column_names == ["code", "later"]
    assert (table.num_rows, bad) == (2, [])


def test_not_json_lines(tmp_path: Path) -> None:
    with pytest.raises(RootstockError, match=r"a\.jsonl, line 1: .*one JSON object per line"):
        reader(tmp_path, "[\n1\n]\n").peek()
