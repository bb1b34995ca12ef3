"""A small source of every format and container, for trials that damage or change it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from components.data.tfrecord import framed
from components.ingestion.readers import Reader
from components.ingestion.readers.arrow_ipc import ArrowReader
from components.ingestion.readers.avro import AvroReader
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.readers.image_folder import ImageFolderReader
from components.ingestion.readers.image_manifest import ImageManifestReader
from components.ingestion.readers.jsonl import JsonLinesReader
from components.ingestion.readers.mail import MailReader
from components.ingestion.readers.parquet import ParquetReader
from components.ingestion.readers.sql import SqlReader
from components.ingestion.readers.text_folder import TextFolderReader
from components.ingestion.readers.tfds import TfdsReader
from components.ingestion.readers.tfrecord import TFRecordReader
from serving.wire.protos import Example

ROWS = 60
Make = Callable[[Path], Reader]


def word(i: int, text: str) -> str:
    return f"{text} {i * 7919 % 1000:03d} {'abcdefghij'[i % 10] * 9}"


def table(text: str) -> pa.Table:
    words = [word(i, text) for i in range(ROWS)]
    return pa.table({"id": pa.array(range(ROWS), pa.int64()), "word": words})


def compressed(suffix: str, content: bytes) -> bytes:
    if suffix == ".zst":
        return bytes(pa.compress(content, "zstd", asbytes=True))  # without the optional checksum
    return {"": bytes, ".gz": _gzip, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix](content)


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def csv(suffix: str) -> Callable[[Path, str], Reader]:
    def make(root: Path, text: str) -> Reader:
        lines = [f'{i},"{word(i, text)}"' for i in range(ROWS)]
        content = ("id,word\n" + "\n".join(lines) + "\n").encode()
        file = root / f"rows.csv{suffix}"
        file.write_bytes(compressed(suffix, content))
        return CsvReader(path=str(file))

    return make


def jsonl(suffix: str) -> Callable[[Path, str], Reader]:
    def make(root: Path, text: str) -> Reader:
        lines = [json.dumps({"id": i, "word": word(i, text)}) for i in range(ROWS)]
        file = root / f"rows.jsonl{suffix}"
        file.write_bytes(compressed(suffix, ("\n".join(lines) + "\n").encode()))
        return JsonLinesReader(path=str(file))

    return make


def parquet(root: Path, text: str) -> Reader:
    file = root / "rows.parquet"
    pq.write_table(table(text), file, row_group_size=20, write_page_checksum=True)
    return ParquetReader(path=str(file))


def plain_parquet(root: Path, text: str) -> Reader:
    file = root / "rows.parquet"
    pq.write_table(table(text), file, row_group_size=20, compression="none", use_dictionary=False)
    return ParquetReader(path=str(file))


def arrow_file(root: Path, text: str) -> Reader:
    file = root / "rows.arrow"
    with pa.ipc.new_file(file, table(text).schema) as writer:
        writer.write_table(table(text), max_chunksize=20)
    return ArrowReader(path=str(file))


def arrow_stream(root: Path, text: str) -> Reader:
    file = root / "rows.arrows"
    with pa.ipc.new_stream(file, table(text).schema) as writer:
        writer.write_table(table(text), max_chunksize=20)
    return ArrowReader(path=str(file))


def avro(codec: str) -> Callable[[Path, str], Reader]:
    def make(root: Path, text: str) -> Reader:
        fields = [{"name": "id", "type": "long"}, {"name": "word", "type": "string"}]
        schema = {"type": "record", "name": "row", "fields": fields}
        file = root / "rows.avro"
        with open(file, "wb") as out:
            rows = table(text).to_pylist()
            fastavro.writer(out, schema, rows, codec, sync_interval=600, sync_marker=b"s" * 16)
        return AvroReader(path=str(file))

    return make


def records(text: str) -> bytes:
    framed_records = []
    for i in range(ROWS):
        example = Example()
        example.features.feature["id"].int64_list.value.append(i)
        example.features.feature["word"].bytes_list.value.append(word(i, text).encode())
        framed_records.append(framed(example.SerializeToString(deterministic=True)))
    return b"".join(framed_records)


def tfrecord(suffix: str) -> Callable[[Path, str], Reader]:
    def make(root: Path, text: str) -> Reader:
        file = root / f"rows.tfrecord{suffix}"
        file.write_bytes(compressed(suffix, records(text)))
        return TFRecordReader(path=str(file))

    return make


def tfds(root: Path, text: str) -> Reader:
    home = root / "prepared"
    home.mkdir(exist_ok=True)
    (home / "a-train.tfrecord-00000-of-00001").write_bytes(records(text))
    (home / "features.json").write_text("{}")
    return TfdsReader(path=str(home))


def png(i: int, text: str) -> bytes:
    out = io.BytesIO()
    shade = sum(word(i, text).encode()) % 256
    Image.new("RGB", (4, 4), (i, shade, 7)).save(out, "PNG")
    return out.getvalue()


def image_folder(root: Path, text: str) -> Reader:
    for i in range(ROWS):
        file = root / "images" / "ab"[i % 2] / f"{i:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(i, text))
    return ImageFolderReader(path=str(root / "images"))


def image_manifest(root: Path, text: str) -> Reader:
    image_folder(root, text)
    lines = [f"images/{'ab'[i % 2]}/{i:02d}.png,{word(i, text)}\n" for i in range(ROWS)]
    (root / "labels.csv").write_text("path,word\n" + "".join(lines))
    return ImageManifestReader(path=str(root / "labels.csv"))


def text_folder(root: Path, text: str) -> Reader:
    for i in range(ROWS):
        file = root / "texts" / "ab"[i % 2] / f"{i:02d}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(word(i, text))
    return TextFolderReader(path=str(root / "texts"))


def message(i: int, text: str) -> bytes:
    return f"From: a@b\nSubject: {word(i, text)}\n\nHello {i}\n".encode()


def mail_folder(root: Path, text: str) -> Reader:
    for i in range(ROWS):
        file = root / "mails" / "ab"[i % 2] / f"{i:02d}.eml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(message(i, text))
    return MailReader(path=str(root / "mails"))


def mbox(suffix: str) -> Callable[[Path, str], Reader]:
    def make(root: Path, text: str) -> Reader:
        content = b"\n".join(b"From a Mon\n" + message(i, text) for i in range(ROWS))
        file = root / f"box{suffix}"
        file.write_bytes(compressed(suffix, content))
        return MailReader(path=str(file))

    return make


def tar(suffix: str) -> Callable[[Path, str], Reader]:
    def make(root: Path, text: str) -> Reader:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for i in range(ROWS):
                member = tarfile.TarInfo(f"{'ab'[i % 2]}/{i:02d}")
                member.size = len(message(i, text))
                archive.addfile(member, io.BytesIO(message(i, text)))
        file = root / f"mails.tar{suffix}"
        file.write_bytes(compressed(suffix, out.getvalue()))
        return MailReader(path=str(file))

    return make


def sql(root: Path, text: str) -> Reader:
    file = root / "rows.db"
    file.unlink(missing_ok=True)
    database = sqlite3.connect(file)
    with database:
        database.execute("CREATE TABLE rows (id INTEGER, word TEXT)")
        rows = [(i, word(i, text)) for i in range(ROWS)]
        database.executemany("INSERT INTO rows VALUES (?, ?)", rows)
    database.close()
    return SqlReader(path=f"sqlite:///{file}", query="SELECT * FROM rows ORDER BY id")


SOURCES: dict[str, Callable[[Path, str], Reader]] = {
    "arrow file": arrow_file,
    "arrow stream": arrow_stream,
    "avro": avro("null"),
    "avro, deflate": avro("deflate"),
    "csv": csv(""),
    "csv.bz2": csv(".bz2"),
    "csv.gz": csv(".gz"),
    "csv.zst": csv(".zst"),
    "image_folder": image_folder,
    "image_manifest": image_manifest,
    "jsonl": jsonl(""),
    "jsonl.gz": jsonl(".gz"),
    "mail folder": mail_folder,
    "mail mbox": mbox(""),
    "mail mbox.gz": mbox(".gz"),
    "mail tar": tar(""),
    "mail tar.bz2": tar(".bz2"),
    "mail tar.gz": tar(".gz"),
    "mail tar.xz": tar(".xz"),
    "parquet": parquet,
    "parquet without checksums": plain_parquet,
    "sql": sql,
    "text_folder": text_folder,
    "tfds": tfds,
    "tfrecord": tfrecord(""),
    "tfrecord.gz": tfrecord(".gz"),
}
"""By name: writes the source below a directory. Another `text` gives other rows."""
