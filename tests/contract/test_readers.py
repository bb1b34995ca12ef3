"""Every reader, found by discovery: a new one is tested once it has a sample here."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from components.fingerprint import canonical
from components.readers import Reader, Source, readers
from components.readers.base import BadRecord
from components.stage import RootstockError

SPEC: TypeAdapter[Reader] = TypeAdapter(Source)


def csv_sample(root: Path) -> Path:
    root.mkdir()
    (root / "a.csv").write_text("id,word\n" + "".join(f"{i},w{i % 3}\n" for i in range(40)))
    (root / "b.csv").write_text("id,word\n100,z\n")
    return root


def parquet_sample(root: Path) -> Path:
    root.mkdir()
    pq.write_table(pa.table({"id": list(range(40))}), root / "a.parquet", row_group_size=16)
    return root / "a.parquet"


def image_sample(root: Path) -> Path:
    for i in range(6):
        file = root / f"class{i % 2}" / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        out = io.BytesIO()
        Image.new("RGB", (2, 2), (i, 0, 0)).save(out, "PNG")
        file.write_bytes(out.getvalue())
    return root


SAMPLES: dict[str, Callable[[Path], Path]] = {
    "csv": csv_sample,
    "parquet": parquet_sample,
    "image_folder": image_sample,
}


def test_every_reader_has_a_sample() -> None:
    assert readers().keys() == SAMPLES.keys()


@pytest.fixture(params=readers())
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    path = SAMPLES[request.param](tmp_path / "sample")
    return SPEC.validate_python({"format": request.param, "path": str(path)})


def rows(reader: Reader, root: Path) -> pa.Table:
    schema = reader.schema(root)
    batches = [b for u in reader.units(root) for b in reader.read(u, schema)]
    assert not any(isinstance(b, BadRecord) for b in batches)
    return pa.Table.from_batches(batches, schema)


def test_reads_the_same_every_time_and_anywhere(reader: Reader, tmp_path: Path) -> None:
    first = rows(reader, Path(reader.path))
    assert first.num_rows > 0
    assert rows(reader, Path(reader.path)).equals(first)
    (tmp_path / "sample").rename(tmp_path / "moved")
    moved = Path(reader.path.replace("sample", "moved"))
    assert rows(reader, moved).equals(first)


def test_peek_gives_rows_of_the_schema(reader: Reader) -> None:
    seen = reader.peek(5)
    assert seen.schema == reader.schema(Path(reader.path))
    assert 0 < seen.num_rows <= 5


def test_default_key_is_of_the_schema(reader: Reader) -> None:
    assert set(reader.default_key) <= set(reader.schema(Path(reader.path)).names)


def test_units_travel_to_workers(reader: Reader) -> None:
    root = Path(reader.path)
    for unit in reader.units(root):
        assert pickle.loads(pickle.dumps((reader, unit))) == (reader, unit)


def test_path_is_no_part_of_identity_but_split_is(reader: Reader) -> None:
    assert canonical(replace(reader, path="/elsewhere")) == canonical(reader)
    assert canonical(replace(reader, split="test")) != canonical(reader)


def test_missing_and_empty_are_named(reader: Reader, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (tmp_path / "absent", empty):
        with pytest.raises(RootstockError, match=path.name):
            replace(reader, path=str(path)).peek()


def test_spec_refuses_unknown_options(reader: Reader) -> None:
    with pytest.raises(ValidationError, match="delimeter"):
        SPEC.validate_python({"format": reader.format, "path": "x", "delimeter": ";"})
