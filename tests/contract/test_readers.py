"""The contract of readers, which are found by discovery; every reader needs a sample."""

from __future__ import annotations

import contextlib
import io
import pickle
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from components.data.tfrecord import framed
from components.errors import RootstockError
from components.ingestion.readers import Reader, Source, readers
from components.ingestion.readers.base import BadRecord
from pipeline.store.fingerprint import canonical
from serving.wire.protos import Example

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


def text_sample(root: Path) -> Path:
    for i in range(6):
        file = root / f"class{i % 2}" / f"{i}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"text {i}")
    return root


def jsonl_sample(root: Path) -> Path:
    root.mkdir()
    (root / "a.jsonl").write_text("".join(f'{{"id": {i}, "word": "w{i}"}}\n' for i in range(40)))
    return root


def arrow_sample(root: Path) -> Path:
    root.mkdir()
    feather.write_feather(pa.table({"id": list(range(40))}), root / "a.feather", chunksize=16)
    return root


def avro_sample(root: Path) -> Path:
    root.mkdir()
    schema = {"type": "record", "name": "r", "fields": [{"name": "id", "type": "long"}]}
    with open(root / "a.avro", "wb") as file:
        fastavro.writer(file, schema, [{"id": i} for i in range(40)])
    return root


def tfrecord_sample(root: Path) -> Path:
    root.mkdir()
    examples = [Example() for _ in range(40)]
    for i, example in enumerate(examples):
        example.features.feature["id"].int64_list.value.append(i)
    (root / "a.tfrecord").write_bytes(b"".join(framed(e.SerializeToString()) for e in examples))
    return root


def manifest_sample(root: Path) -> Path:
    image_sample(root)
    files = sorted(str(f.relative_to(root)) for f in root.rglob("*.png"))
    (root / "labels.csv").write_text("path,label\n" + "".join(f"{f},x\n" for f in files))
    return root / "labels.csv"


def mail_sample(root: Path) -> Path:
    message = "From: a@b.c\nSubject: hello {}\n\nbody {}\n"
    for i in range(3):
        file = root / "ham" / f"{i}.eml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(message.format(i, i))
    (root / "box").write_text("".join(f"From me\n{message.format(i, i)}\n" for i in range(3, 6)))
    return root


def sql_sample(root: Path) -> str:
    root.mkdir()
    with contextlib.closing(sqlite3.connect(root / "shop.db")) as database:
        database.execute("CREATE TABLE orders (id INTEGER, word TEXT)")
        database.executemany("INSERT INTO orders VALUES (?, ?)", [(i, f"w{i}") for i in range(40)])
        database.commit()
    return f"sqlite:///{root / 'shop.db'}"


def tfds_sample(root: Path) -> Path:
    tfrecord_sample(root)
    (root / "a.tfrecord").rename(root / "numbers-train.tfrecord-00000-of-00001")
    (root / "features.json").write_text("{}")
    return root


SAMPLES: dict[str, Callable[[Path], Path | str]] = {
    "arrow": arrow_sample,
    "avro": avro_sample,
    "csv": csv_sample,
    "image_folder": image_sample,
    "image_manifest": manifest_sample,
    "jsonl": jsonl_sample,
    "mail": mail_sample,
    "parquet": parquet_sample,
    "sql": sql_sample,
    "text_folder": text_sample,
    "tfds": tfds_sample,
    "tfrecord": tfrecord_sample,
}
OPTIONS = {"sql": {"query": "SELECT id, word FROM orders ORDER BY id"}}


def test_every_reader_has_a_sample() -> None:
    assert readers().keys() == SAMPLES.keys()


@pytest.fixture(params=readers())
def reader(request: pytest.FixtureRequest, tmp_path: Path) -> Reader:
    path = SAMPLES[request.param](tmp_path / "sample")
    options = OPTIONS.get(request.param, {})
    return SPEC.validate_python({"format": request.param, "path": str(path), **options})


def rows(reader: Reader) -> pa.Table:
    root = Path(reader.path)
    schema = reader.schema(root)
    batches = [b for u in reader.units(root) for b in reader.read(u, schema)]
    assert not any(isinstance(b, BadRecord) for b in batches)
    return pa.Table.from_batches(batches, schema)


def test_reads_the_same_every_time_and_anywhere(reader: Reader, tmp_path: Path) -> None:
    first = rows(reader)
    assert first.num_rows > 0
    assert rows(reader).equals(first)
    digest = reader.digest(tmp_path / "index")
    (tmp_path / "sample").rename(tmp_path / "moved")
    moved = replace(reader, path=reader.path.replace("sample", "moved"))
    assert rows(moved).equals(first)
    assert moved.digest(tmp_path / "index") == digest


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


def test_the_identity_of_a_reader_contains_its_split_but_not_its_path(reader: Reader) -> None:
    assert canonical(replace(reader, path="/elsewhere")) == canonical(reader)
    assert canonical(replace(reader, split="test")) != canonical(reader)


def test_missing_and_empty_sources_are_named(reader: Reader, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (tmp_path / "absent", empty):
        with pytest.raises(RootstockError, match=path.name):
            replace(reader, path=str(path)).peek()


def test_spec_refuses_unknown_options(reader: Reader) -> None:
    with pytest.raises(ValidationError, match="delimeter"):
        options = OPTIONS.get(reader.format, {})
        SPEC.validate_python({"format": reader.format, "path": "x", "delimeter": ";", **options})


@pytest.mark.parametrize("kind", ["csv", "text_folder"])
def test_spec_refuses_unknown_encodings(kind: str) -> None:
    with pytest.raises(ValidationError, match="an encoding that Python knows"):
        SPEC.validate_python({"format": kind, "path": "x", "encoding": "utf-9"})


def test_digest_is_of_content(reader: Reader, tmp_path: Path) -> None:
    before = reader.digest(tmp_path / "index")
    if reader.format == "sql":
        with contextlib.closing(sqlite3.connect(tmp_path / "sample" / "shop.db")) as database:
            database.execute("UPDATE orders SET word = 'other' WHERE id = 7")
            database.commit()
    else:
        file = next(f for f in sorted((tmp_path / "sample").rglob("*")) if f.is_file())
        file.write_bytes(file.read_bytes() + b"x")
    assert reader.digest(tmp_path / "index") != before
