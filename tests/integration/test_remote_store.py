"""Data stages from and to a bucket, on two machines: caches that share nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from components.artifacts import Schema, SourceFiles
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
from components.ingestion.readers.delimited import CsvReader
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.validation.schema_gen import SchemaGen, SchemaGenInputs
from models.masked_url import MaskedUrl
from pipeline.runner import Runner
from pipeline.store.place import local
from pipeline.store.store import Store
from tests.remote import Bucket, bucket

__all__ = ["bucket"]
ROWS = "id,word\n" + "".join(f"{i},w{i % 3}\n" for i in range(100))


def run(store: str, path: str) -> tuple[Schema, list[bool], dict[str, str]]:
    """The schema, whether each stage was cached, and the digest of every output."""
    root = local(store)
    reader = CsvReader(path=MaskedUrl(path))
    with Runner(Store(root)) as runner:
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
