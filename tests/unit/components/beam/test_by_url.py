"""Work in workers that see nothing of this machine's disk: all paths in units are translated."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from components.artifacts import Examples, SourceFiles
from components.beam import packing
from components.beam.by_url import finish
from components.beam.map_units import hand_over, map_units
from components.beam.packing import united
from components.data import reads
from components.data.digests import RawFiles, digest_file
from components.data.objects import Objects
from components.data.remote_files import RemoteFiles
from components.errors import RootstockError
from components.ingestion.readers import Reader, byte_ranges
from components.ingestion.readers.base import BadRecord, Unit
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.readers.jsonl import JsonLinesReader
from components.stage import BeamOptions, Context, Remote
from models.masked_url import MaskedUrl
from tests.remote import Bucket, bucket

__all__ = ["bucket"]
Make = Callable[[str], Context]
ELSEWHERE = BeamOptions("apache_beam.runners.portability.fn_api_runner.FnApiRunner")
"""Beam's own runner by another name: Rootstock takes its workers for those of a cluster."""
URL = "bucket://b/store/Stage/0123456789abcdef"


def remote(context: Context, *inputs: Examples | SourceFiles) -> Context:
    return replace(context, remote=Remote(URL, inputs), beam=ELSEWHERE)


@dataclass(frozen=True)
class Copy:
    """Reads a file, and writes it twice."""

    directory: str

    def __call__(self, index: int, unit: Unit | Path) -> tuple[str, list[str]]:
        file = unit.file if isinstance(unit, Unit) else unit
        assert Path(self.directory).is_dir()
        for name in ("a", "b"):
            target = Path(self.directory, name, file.name)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(file.read_bytes())
        (Path(self.directory) / ".half").write_text("not a result")
        return str(file), sorted(p.name for p in file.parent.iterdir())


def source(bucket: type[Bucket], tmp_path: Path) -> SourceFiles:
    for name in ("1.csv", "2.csv", "3.csv"):
        bucket().pipe_file(f"/b/raw/{name}", f"rows of {name}".encode())
    raw = RemoteFiles(MaskedUrl("bucket://b/raw"))
    return SourceFiles(raw.copy, raw.digest(tmp_path), origin=raw)


def test_units_and_files_go_by_url(bucket: type[Bucket], new_context: Make, tmp_path: Path) -> None:
    files = source(bucket, tmp_path)
    context = remote(new_context("a"), files)
    written = context.scratch / "written"
    written.mkdir()
    units = [Unit(str(files.path), (name,)) for name in ("1.csv", "2.csv", "3.csv")]
    found = list(map_units("x", units, Copy(str(written)), context))
    for (path, beside), name in zip(found, ("1.csv", "2.csv", "3.csv"), strict=True):
        assert Path(path).name == name
        assert Path(path).parent.name == files.path.name  # formats may read it
        assert beside == [name]  # nothing else was fetched
        assert not Path(path).is_relative_to(tmp_path)
        assert not Path(path).exists()  # the worker has cleaned up
    assert not any(written.iterdir())
    hand_over("x", written, context.output / "files", context)
    names = sorted(p.relative_to(context.output).as_posix() for p in context.output.rglob("*.csv"))
    assert names == sorted(f"files/{d}/{n}.csv" for d in "ab" for n in (1, 2, 3))
    assert (context.output / "files" / "b" / "2.csv").read_text() == "rows of 2.csv"
    assert not list(context.output.rglob(".half"))
    assert context.remote is not None
    parts = {digest_file(p) for p in context.output.rglob("*.csv")}
    assert context.remote.uploaded == parts
    finish(context.remote)
    assert {p for p in bucket.store if "/Stage/" in p} == {
        f"/b/store/Stage/0123456789abcdef/parts/{sha256}" for sha256 in parts
    }


def test_another_machine_continues_what_was_interrupted(
    bucket: type[Bucket], new_context: Make, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    work = partial(logged, log=MaskedUrl(str(log)))  # not a path of the stage
    with pytest.raises(RootstockError, match="refused"):
        map_units("x", [1, -2, 3], work, remote(new_context("a")))
    log.unlink()
    assert list(map_units("x", [1, 2, 3], work, remote(new_context("b")))) == [1, 2, 3]
    assert log.read_text() == "2\n"


def logged(index: int, unit: int, *, log: MaskedUrl) -> int:
    with open(log.reveal(), "a") as file:
        file.write(f"{unit}\n")
    if unit < 0:
        raise RootstockError("refused")
    return unit


def test_results_that_another_machine_removed_are_made_again(
    bucket: type[Bucket], new_context: Make, tmp_path: Path
) -> None:
    removed: list[str] = []

    def gone(kind: str, path: str) -> None:
        if kind == "list" and "/work/x" in path and not removed:
            removed.extend(p for p in bucket.store if "/work/x/" in p)
            for name in removed:
                del bucket.store[name]

    bucket.fault = staticmethod(gone)
    work = partial(logged, log=MaskedUrl(str(tmp_path / "log")))
    assert list(map_units("x", [1, 2], work, remote(new_context("a")))) == [1, 2]
    assert removed


def test_an_attempt_in_this_process_after_one_by_url_writes_all_files(
    bucket: type[Bucket], new_context: Make, tmp_path: Path
) -> None:
    files = source(bucket, tmp_path)
    context = remote(new_context("a"), files)
    written = context.scratch / "written"
    written.mkdir()
    units = [Unit(str(files.path), (name,)) for name in ("1.csv", "2.csv")]
    map_units("x", units, Copy(str(written)), context)
    here = replace(context, remote=None)
    map_units("x", units, Copy(str(written)), here)
    hand_over("x", written, context.output / "files", here)
    assert len(list(context.output.rglob("*.csv"))) == 4


def test_messages_have_the_paths_of_the_machine_that_started(
    bucket: type[Bucket], new_context: Make, tmp_path: Path
) -> None:
    files = source(bucket, tmp_path)
    context = remote(new_context("a"), files)
    with pytest.raises(RootstockError) as caught:
        map_units("x", [Unit(str(files.path), ("2.csv",))], complain, context)
    assert str(caught.value) == f"{files.path / '2.csv'}: is wrong"


def complain(index: int, unit: Unit) -> None:
    raise RootstockError(f"{unit.file}: is wrong")


def test_an_object_that_was_replaced_is_noticed(
    bucket: type[Bucket], new_context: Make, tmp_path: Path
) -> None:
    files = source(bucket, tmp_path)
    bucket().pipe_file("/b/raw/2.csv", b"other rows")
    units = [Unit(str(files.path), ("2.csv",))]
    with pytest.raises(RootstockError, match=r"raw/2\.csv: is not what it was when the run began"):
        map_units("x", units, complain, remote(new_context("a"), files))


TEXTS = [f"{'x' * 80} {i}" for i in range(40)]
FORMATS: Mapping[str, tuple[bytes, Callable[[str], Reader]]] = {
    "csv": (
        "".join(["# first\n\n", "a,b\n", *(f'{i},"{t}\n{t}"\n' for i, t in enumerate(TEXTS))])
        .replace("\n31,", "\n31,too many,")
        .encode(),
        lambda path: CsvReader(path=MaskedUrl(path), skip_rows=1, types={"a": "int"}),
    ),
    "jsonl": (
        "".join(f'{{"a": {i}, "b": "{t}"}}\n' for i, t in enumerate(TEXTS))
        .replace('"a": 31', '"a": ')
        .encode(),
        lambda path: JsonLinesReader(path=MaskedUrl(path)),
    ),
}


@dataclass(frozen=True)
class ReadUnit:
    """The rows and bad records of a unit, and how much of its file is on the disk."""

    reader: Reader
    schema: pa.Schema

    def __call__(self, index: int, unit: Unit) -> tuple[list[object], list[str], int]:
        found = list(self.reader.read(unit, self.schema))
        rows = [row for f in found if isinstance(f, pa.RecordBatch) for row in f.to_pylist()]
        return rows, [str(f) for f in found if isinstance(f, BadRecord)], unit.file.stat().st_size


@pytest.mark.parametrize("format_", FORMATS)
def test_workers_fetch_only_the_bytes_of_their_unit(
    format_: str,
    bucket: type[Bucket],
    new_context: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content, make = FORMATS[format_]
    monkeypatch.setattr(byte_ranges, "UNIT_BYTES", 1000)
    bucket().pipe_file(f"/b/raw/rows.{format_}", content)
    raw = RemoteFiles(MaskedUrl("bucket://b/raw"))
    files = SourceFiles(raw.copy, raw.digest(tmp_path), origin=raw)
    reader = make("bucket://b/raw")
    schema = reader.schema(files.path)
    units = reader.units(files.path)
    here = [ReadUnit(reader, schema)(0, unit) for unit in units]
    assert len(units) > 2
    assert sum(len(rows) for rows, _, _ in here) >= 39
    bucket.requests.clear()
    there = list(map_units("x", units, ReadUnit(reader, schema), remote(new_context("a"), files)))
    assert there == here
    asked = [kind for kind, path in bucket.requests if "/raw/" in path]
    assert set(asked) == {"range"}
    assert len(asked) <= 2 * len(units)
    needed = [end - start for unit in units for start, end in united(unit.ranges, unit.ranges)]
    assert bucket.received == sum(needed)
    assert max(needed) < len(content) / 2
    assert bucket.received < len(content) + 20 * len(units)
    (bad,) = [bad for _, found, _ in there for bad in found]
    assert {"csv": "line 66 to 67", "jsonl": "line 32"}[format_] in bad

    bucket.ranges = False  # as of a plain web server
    work = ReadUnit(reader, schema)
    assert list(map_units("w", units, work, remote(new_context("d"), files))) == here
    bucket.ranges = True

    changed = bytearray(content)
    changed[len(content) // 2] ^= 1
    bucket().pipe_file(f"/b/raw/rows.{format_}", bytes(changed))
    with pytest.raises(RootstockError, match="is not what it was when the run began"):
        map_units("y", units, ReadUnit(reader, schema), remote(new_context("b"), files))
    bucket().pipe_file(f"/b/raw/rows.{format_}", content[:500])
    with pytest.raises(RootstockError, match="is not what it was when the run began"):
        map_units("z", units, ReadUnit(reader, schema), remote(new_context("c"), files))


def test_bytes_of_several_readers_are_united() -> None:
    assert united(((5, 9),), ((0, 2), (1, 6), (9, 10), (20, 30))) == ((0, 10), (20, 30))
    assert united(((5, 9),), ()) == ()


def test_a_few_files_of_this_machine_are_sent_and_many_are_refused(
    bucket: type[Bucket], new_context: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tmp_path / "model"
    (model / "deep").mkdir(parents=True)
    (model / "deep" / "weights").write_text("12345")
    files = SourceFiles.of(RawFiles(str(model)), tmp_path / "index")
    work = partial(read_model, model=str(model))
    assert list(map_units("x", [0, 1], work, remote(new_context("a"), files))) == ["12345"] * 2
    monkeypatch.setattr(reads, "MOST_SENT", 4)
    with pytest.raises(RootstockError, match=r"weights: is on this machine.*name their URL"):
        map_units("y", [0], work, remote(new_context("b"), files))


def read_model(index: int, unit: int, *, model: str) -> str:
    return Path(model, "deep", "weights").read_text()


def test_a_file_that_does_not_belong_to_its_source_is_refused(
    bucket: type[Bucket], new_context: Make, tmp_path: Path
) -> None:
    files = source(bucket, tmp_path)
    (files.path.parent / "other.png").write_text("x")
    units = [Unit(str(files.path), ("1.csv",), also=("../other.png", "missing.png"))]
    with pytest.raises(RootstockError, match=r"other\.png: is not part of its source"):
        map_units("x", units, complain, remote(new_context("a"), files))


def test_values_without_paths_of_the_stage_are_pickled_as_they_are(
    bucket: type[Bucket], new_context: Make, tmp_path: Path
) -> None:
    context = remote(new_context("a"))
    assert context.remote is not None
    value = {"path": tmp_path / "elsewhere", "text": "/", "number": 1}
    packed = packing.Packing(context, context.remote).packed(value)
    assert pickle.loads(packed) == value


def test_a_part_that_is_lost_ends_the_stage(
    bucket: type[Bucket], new_context: Make, tmp_path: Path
) -> None:
    files = source(bucket, tmp_path)
    context = remote(new_context("a"), files)
    written = context.scratch / "written"
    written.mkdir()
    map_units("x", [Unit(str(files.path), ("1.csv",))], Copy(str(written)), context)
    Objects(MaskedUrl(URL)).remove(f"parts/{digest_file(files.path / '1.csv')}")
    with pytest.raises(RootstockError, match=r"What workers wrote is lost.*Run the same command"):
        hand_over("x", written, context.output / "files", context)
    map_units("x", [Unit(str(files.path), ("1.csv",))], Copy(str(written)), context)
    hand_over("x", written, context.output / "files", context)
    assert (context.output / "files/a/1.csv").read_bytes() == b"rows of 1.csv"
