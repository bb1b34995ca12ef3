"""Data stages from and to a bucket, on two machines: caches that share nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.artifacts import Schema, SourceFiles
from components.data.objects import Objects
from components.errors import RootstockError
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
from components.ingestion.readers.delimited import CsvReader
from components.stage import BeamOptions
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.validation.schema_gen import SchemaGen, SchemaGenInputs
from models.masked_url import MaskedUrl
from pipeline.runner import Runner
from pipeline.store.place import local
from pipeline.store.store import Store
from tests.remote import Bucket, bucket

__all__ = ["bucket"]
IN_PROCESS = BeamOptions()
ELSEWHERE = BeamOptions("apache_beam.runners.portability.fn_api_runner.FnApiRunner")
"""Beam's own runner by another name: Rootstock takes its workers for those of a cluster."""
ROWS = "id,word\n" + "".join(f"{i},w{i % 3}\n" for i in range(100))


def run(
    store: str, path: str, beam: BeamOptions = IN_PROCESS
) -> tuple[Schema, list[bool], dict[str, str]]:
    """The schema, whether each stage was cached, and the digest of every output."""
    root = local(store)
    reader = CsvReader(path=MaskedUrl(path))
    with Runner(Store(root), beam=beam) as runner:
        files = SourceFiles.of(reader, root / "sources")
        examples = runner(ExampleGen(sources=(reader,)), ExampleGenInputs((files,))).examples
        statistics = runner(StatisticsGen(), StatisticsGenInputs(examples)).statistics
        schema = runner(SchemaGen(), SchemaGenInputs(statistics, None)).schema
    results = [runner.store.at(result.path) for result in runner.results]
    digests = {n: o["digest"] for e in results if e is not None for n, o in e.outputs.items()}
    return schema, [result.cached for result in runner.results], digests


def test_a_bucket_gives_the_digests_of_a_directory_and_its_results_are_shared(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    bucket().pipe_file("/b/rows.csv", ROWS.encode())
    _, _, expected = run(str(tmp_path / "store"), str(tmp_path / "rows.csv"))
    schema, cached, digests = run("bucket://b/store", "bucket://b/rows.csv")
    assert (cached, digests) == ([False] * 3, expected)

    bucket.requests.clear()
    _, cached, digests = run("bucket://b/store", "bucket://b/rows.csv")
    assert (cached, digests) == ([True] * 3, expected)
    kinds = [kind for kind, _ in bucket.requests]
    assert kinds == ["get", "list", "get", "get", "get"]  # the store, the source, three records

    monkeypatch.setenv("ROOTSTOCK_CACHE", str(tmp_path / "elsewhere"))
    fetched, cached, digests = run("bucket://b/store", "bucket://b/rows.csv")
    assert (cached, digests) == ([True] * 3, expected)
    assert not any((tmp_path / "elsewhere").rglob("*.parquet"))  # nothing asked for examples
    assert fetched.path != schema.path
    assert (fetched.path / "schema.pbtxt").read_bytes() == (
        schema.path / "schema.pbtxt"
    ).read_bytes()


def test_workers_that_share_no_disk_give_the_same_digests(
    bucket: type[Bucket], tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    bucket().pipe_file("/b/rows.csv", ROWS.encode())
    _, _, expected = run(str(tmp_path / "store"), str(tmp_path / "rows.csv"))
    _, cached, digests = run("bucket://b/store", "bucket://b/rows.csv", ELSEWHERE)
    assert (cached, digests) == ([False] * 3, expected)
    written = [path for kind, path in bucket.requests if kind == "put" and "/parts/" in path]
    assert len(written) == len(set(written))  # what workers wrote is not uploaded again
    assert any("/work/units/" in path for _, path in bucket.requests)
    assert not any("/work/" in path for path in bucket.store)


def test_a_stage_fetches_the_inputs_that_another_machine_made(
    bucket: type[Bucket], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket().pipe_file("/b/rows.csv", ROWS.encode())
    _, _, expected = run("bucket://b/store", "bucket://b/rows.csv")
    for path in [p for p in bucket.store if "StatisticsGen" in p]:
        del bucket.store[path]
    shutil.rmtree(tmp_path / "cache")
    _, cached, digests = run("bucket://b/store", "bucket://b/rows.csv")
    assert (cached, digests) == ([True, False, True], expected)


def test_inputs_whose_parts_the_bucket_lost_are_made_again(
    bucket: type[Bucket], tmp_path: Path
) -> None:
    bucket().pipe_file("/b/rows.csv", ROWS.encode())
    _, _, expected = run("bucket://b/store", "bucket://b/rows.csv")
    for path in [p for p in bucket.store if "StatisticsGen" in p or "ExampleGen" in p]:
        if "StatisticsGen" in path or "/parts/" in path:
            del bucket.store[path]
    shutil.rmtree(tmp_path / "cache")
    _, _, digests = run("bucket://b/store", "bucket://b/rows.csv")
    assert digests == expected


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a bucket of moto's server, if the extra `s3` and `moto[server]` are installed."""
    s3fs = pytest.importorskip("s3fs", reason="needs the extra s3")
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    server = moto.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "ROOTSTOCK_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("bucket")
    yield "s3://bucket"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of botocore and moto
def test_s3(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    source = Objects(MaskedUrl(f"{s3}/raw"))
    source.upload({"rows.csv": tmp_path / "rows.csv"})
    _, _, expected = run(str(tmp_path / "store"), str(tmp_path / "rows.csv"))
    _, cached, digests = run(f"{s3}/store", f"{s3}/raw/rows.csv")
    assert (cached, digests) == ([False] * 3, expected)
    with caplog.at_level("INFO", "werkzeug"):
        caplog.clear()
        _, cached, digests = run(f"{s3}/store", f"{s3}/raw/rows.csv")
        asked = [r.getMessage() for r in caplog.records if "/bucket/store/" in r.getMessage()]
    assert (cached, digests) == ([True] * 3, expected)
    assert len(asked) == 4  # one for the store, and one for each stage
    assert all('"GET ' in request for request in asked)
    monkeypatch.setenv("ROOTSTOCK_CACHE", str(tmp_path / "elsewhere"))
    _, cached, digests = run(f"{s3}/store", f"{s3}/raw/rows.csv")
    assert (cached, digests) == ([True] * 3, expected)
    assert not source.create("rows.csv", b"")  # S3 refuses what is there already
    with pytest.raises(RootstockError, match="the bucket does not exist"):
        run("s3://none/store", f"{s3}/raw/rows.csv")
