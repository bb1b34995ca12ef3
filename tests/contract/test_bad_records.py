"""Bad records of every format: they are quarantined, or an error above the limit."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from pydantic import TypeAdapter

from components.artifacts import SourceFiles
from components.data.tfrecord import framed
from components.errors import RootstockError
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
from components.ingestion.readers import Reader, Source, readers
from components.stage import Context
from serving.wire.protos import Example

RECORDS = 200
Broken = set[int]


def csv_file(root: Path, broken: Broken) -> Path:
    wrong = ("1,too,many", "few", "text,w")
    lines = [wrong[i % 3] if i in broken else f"{i},w" for i in range(RECORDS)]
    (root / "a.csv").write_text("id,word\n" + "\n".join(lines) + "\n")
    return root / "a.csv"


def jsonl_file(root: Path, broken: Broken) -> Path:
    wrong = ('{"id": ', '["list"]', '{"id": "text"}')
    lines = [wrong[i % 3] if i in broken else json.dumps({"id": i}) for i in range(RECORDS)]
    (root / "a.jsonl").write_text("\n".join(lines))
    return root / "a.jsonl"


def tfrecord_file(root: Path, broken: Broken) -> Path:
    records = []
    for i in range(RECORDS):
        example = Example()
        example.features.feature["id"].int64_list.value.extend([i] * (2 if i in broken else 1))
        record = framed(example.SerializeToString())
        if i in broken and i % 2:
            record = record[:13] + bytes([record[13] ^ 1]) + record[14:]
        records.append(record)
    (root / "a.tfrecord").write_bytes(b"".join(records))
    return root / "a.tfrecord"


def tfds(root: Path, broken: Broken) -> Path:
    tfrecord_file(root, broken).rename(root / "a-train.tfrecord-00000-of-00001")
    (root / "features.json").write_text("{}")
    return root


def png(good: bool) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (3, 3)).save(out, "PNG")
    return out.getvalue() if good else out.getvalue()[:-20]


def image_folder(root: Path, broken: Broken) -> Path:
    (root / "images" / "cat").mkdir(parents=True)
    for i in range(RECORDS):
        (root / "images" / "cat" / f"{i:03}.png").write_bytes(png(i not in broken))
    return root / "images"


def image_manifest(root: Path, broken: Broken) -> Path:
    image_folder(root, broken)
    rows = "".join(f"images/cat/{i:03}.png,{i}\n" for i in range(RECORDS))
    (root / "labels.csv").write_text("path,id\n" + rows)
    return root / "labels.csv"


def text_folder(root: Path, broken: Broken) -> Path:
    (root / "texts" / "ham").mkdir(parents=True)
    for i in range(RECORDS):
        content = b"\xff\xfe\xfa" if i in broken else b"text"
        (root / "texts" / "ham" / f"{i:03}.txt").write_bytes(content)
    return root / "texts"


def mail_folder(root: Path, broken: Broken) -> Path:
    (root / "mails" / "ham").mkdir(parents=True)
    for i in range(RECORDS):
        content = "" if i in broken and i % 2 else "no headers" if i in broken else "From: a\n\nb"
        (root / "mails" / "ham" / f"{i:03}.eml").write_text(content)
    return root / "mails"


BREAKABLE: dict[str, Callable[[Path, Broken], Path]] = {
    "csv": csv_file,
    "image_folder": image_folder,
    "image_manifest": image_manifest,
    "jsonl": jsonl_file,
    "mail": mail_folder,
    "text_folder": text_folder,
    "tfds": tfds,
    "tfrecord": tfrecord_file,
}
TYPED = {"arrow", "avro", "parquet", "sql"}
"""Formats with typed records, which have no bad records: a damaged file is an error."""


def test_every_format_is_either_typed_or_breakable() -> None:
    assert BREAKABLE.keys() | TYPED == readers().keys()


@pytest.mark.slow
@pytest.mark.parametrize("kind", BREAKABLE)
def test_one_percent_of_bad_records_is_quarantined_and_five_fail(kind: str, tmp_path: Path) -> None:
    for percent, broken in ((1, {70, 131}), (5, set(range(10, 200, 20)) | {15})):
        root = tmp_path / str(percent)
        (root / "in").mkdir(parents=True)
        path = BREAKABLE[kind](root / "in", broken)
        options = {"types": {"id": "int"}} if kind == "csv" else {}
        reader: Reader = TypeAdapter(Source).validate_python(
            {"format": kind, "path": str(path), **options}
        )
        stage = ExampleGen(sources=(reader,), max_bad_fraction=0.02)
        inputs = ExampleGenInputs((SourceFiles(path, "digest"),))
        context = Context(root / "output", root / "scratch")
        context.output.mkdir()
        context.scratch.mkdir()
        if percent == 5:
            with pytest.raises(RootstockError, match=r"11 of 200 records cannot be used") as caught:
                stage.run(inputs, context)
            assert len(str(caught.value).splitlines()) == 8
            assert list(context.output.iterdir()) == []
            continue
        outputs = stage.run(inputs, context)
        examples = outputs.examples
        assert sum(examples.num_rows(s) for s in examples.splits()) == RECORDS - len(broken)
        records = outputs.quarantine.records()
        places = [r["position"] or int(Path(r["file"]).stem) for r in records]
        first = {"csv": 2, "jsonl": 1, "tfds": 1, "tfrecord": 1}.get(kind, 0)
        assert places == [i + first for i in sorted(broken)]
        assert all(r["reason"] for r in records)
