from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from components.data.tfrecord import framed
from components.errors import RootstockError
from components.ingestion.readers.tfrecord import TFRecordReader
from tests.unit.components.ingestion.readers.reading import read


def example(**features: list[bytes] | list[float] | list[int]) -> bytes:
    kinds = {bytes: "bytes_list", float: "float_list", int: "int64_list"}
    found = tf.train.Example()
    for name, values in features.items():
        feature = found.features.feature[name]
        if values:
            getattr(feature, kinds[type(values[0])]).value.extend(values)
    return bytes(found.SerializeToString())


def write(file: Path, records: list[bytes], compression: str = "") -> TFRecordReader:
    options = tf.io.TFRecordOptions(compression_type=compression)
    with tf.io.TFRecordWriter(str(file), options) as writer:
        for record in records:
            writer.write(record)
    return TFRecordReader(path=str(file))


def test_examples_written_by_tensorflow_are_read(tmp_path: Path) -> None:
    records = [
        example(id=[1], x=[0.5], word=["käse".encode()], image=[b"\xff\xd8"], tags=[b"a", b"b"]),
        example(id=[2], x=[], word=[], image=[b""], tags=[]),
    ]
    for name, compression in (("a.tfrecord", ""), ("a.tfrecord.gz", "GZIP")):
        table, bad = read(write(tmp_path / name, records, compression))
        assert bad == []
        assert [str(table.schema.field(n).type) for n in ("id", "x", "word", "image")] == [
            "int64",
            "float",
            "string",
            "binary",
        ]
        assert table.to_pylist() == [
            {"id": 1, "x": 0.5, "word": "käse", "image": b"\xff\xd8", "tags": ["a", "b"]},
            {"id": 2, "x": None, "word": None, "image": b"", "tags": []},
        ]


def test_records_are_framed_like_tensorflows(tmp_path: Path) -> None:
    records = [b"", b"x" * 1000, example(id=[1])]
    write(tmp_path / "theirs", records)
    assert (tmp_path / "theirs").read_bytes() == b"".join(map(framed, records))


def test_every_hundredth_record_broken(tmp_path: Path) -> None:
    broken = [b"\xff\xff", example(id=[1, 2]), example(id=[b"word"]), example(word=[b"\xff"])]
    records = [example(id=[i], word=[b"w"]) for i in range(2000)]
    wrong = range(1050, 2000, 100)
    for k, i in enumerate(wrong):
        records[i] = broken[k % len(broken)]
    source = write(tmp_path / "a.tfrecord", records)
    data = bytearray(Path(source.path).read_bytes())
    data[20] ^= 1  # inside of the first record
    Path(source.path).write_bytes(data)
    table, bad = read(source)
    assert sorted(b.position for b in bad) == [1, *(i + 1 for i in wrong)]
    assert table.column("id").to_pylist() == [i for i in range(1, 2000) if i not in wrong]
    assert str(min(bad, key=lambda b: b.position)).startswith("a.tfrecord, record 1: its checksum")


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    source = write(tmp_path / "a.tfrecord", [example(id=[i]) for i in range(9)])
    Path(source.path).write_bytes(Path(source.path).read_bytes()[:-3])
    with pytest.raises(RootstockError, match=r"a\.tfrecord: cannot be read after record 8"):
        read(source)
