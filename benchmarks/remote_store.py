"""A store and sources in S3 against a directory: digests, time, requests, random kills.

    pip install 'moto[server]' s3fs
    python benchmarks/remote_store.py --rows 1000000 --rounds 2 --kills 20

The server of moto imitates S3 in a process of its own on this machine. A run is the data stages
ExampleGen, StatisticsGen and SchemaGen on a delimited file of random rows. Rounds alternate between
the directory and the bucket. After every kill (SIGKILL at a random moment of a run), each record in
the bucket must name parts that are there, with its SHA-256; then the same command must complete
with the digests of the directory.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUCKET = "rootstock"
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def stages(store: str, source: str) -> None:
    """In a process of its own: run the data stages, and print what they gave."""
    from components.artifacts import SourceFiles
    from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
    from components.ingestion.readers.delimited import CsvReader
    from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
    from components.validation.schema_gen import SchemaGen, SchemaGenInputs
    from models.masked_url import MaskedUrl
    from pipeline.runner import Runner
    from pipeline.store.place import local
    from pipeline.store.store import Store

    began = time.monotonic()
    root = local(store)
    reader = CsvReader(path=MaskedUrl(source))
    with Runner(Store(root)) as runner:
        files = SourceFiles.of(reader, root / "sources")
        examples = runner(ExampleGen(sources=(reader,)), ExampleGenInputs((files,))).examples
        statistics = runner(StatisticsGen(), StatisticsGenInputs(examples)).statistics
        runner(SchemaGen(), SchemaGenInputs(statistics, None))
        entries = [runner.store.at(result.path) for result in runner.results]
        cached = all(result.cached for result in runner.results)
    digests = {n: o["digest"] for e in entries if e is not None for n, o in e.outputs.items()}
    print(json.dumps({"digests": digests, "cached": cached, "s": time.monotonic() - began}))


@contextmanager
def s3(directory: Path) -> Iterator[dict[str, str]]:
    """The environment of processes that use a running server, whose log has one line a request."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with open(directory / "requests.log", "wb") as log:
        command = [sys.executable, "-m", "moto.server", "-p", str(port)]
        server = subprocess.Popen(command, stdout=log, stderr=log)
    environment = {
        **os.environ,
        **KEYS,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "ROOTSTOCK_CACHE": str(directory / "cache"),
    }
    os.environ.update(environment)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        files().mkdir(BUCKET)
        yield environment
    finally:
        server.kill()
        server.wait()


def files() -> Any:
    import s3fs

    return s3fs.S3FileSystem(use_listings_cache=False)


def started(store: str, source: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--stages", store, source]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def finished(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate()
    if process.returncode:
        sys.exit(f"a run failed:\n{err}")
    result: dict[str, Any] = json.loads(out.splitlines()[-1])
    return result


def half_published(prefix: str) -> list[str]:
    """Records whose parts are missing or have other content."""
    fs, wrong = files(), []
    objects = fs.find(prefix)
    for record in (name for name in objects if name.endswith("/artifact.json")):
        entry = json.loads(fs.cat_file(record))
        for output in entry["files"].values():
            for _, _, sha256 in output.values():
                part = f"{record.rpartition('/')[0]}/parts/{sha256}"
                if part not in objects or hashlib.sha256(fs.cat_file(part)).hexdigest() != sha256:
                    wrong.append(part)
    return wrong


def requests(directory: Path) -> int:
    return (directory / "requests.log").read_text().count('HTTP/1.1" ')


def write_rows(file: Path, rows: int) -> None:
    draw = random.Random(0)
    with open(file, "w") as out:
        out.write("id,age,income,city,label\n")
        for i in range(rows):
            city = f"city{draw.randrange(300)}"
            out.write(f"{i},{draw.randrange(99)},{draw.random():.6f},{city},{i % 3}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stages", nargs=2, metavar=("STORE", "SOURCE"))
    args = parser.parse_args()
    if args.stages:
        stages(*args.stages)
        return
    with tempfile.TemporaryDirectory() as place, s3(Path(place)):
        directory, cache = Path(place), Path(os.environ["ROOTSTOCK_CACHE"])
        table = directory / "rows.csv"
        write_rows(table, args.rows)
        source = f"s3://{BUCKET}/raw/rows.csv"
        files().put_file(str(table), source)
        times: dict[str, list[float]] = {"directory": [], "bucket": []}
        for turn in range(args.rounds):
            here = finished(started(str(directory / f"store{turn}"), str(table)))
            shutil.rmtree(cache, ignore_errors=True)
            there = finished(started(f"s3://{BUCKET}/store{turn}", source))
            assert here["digests"] == there["digests"], (here, there)
            times["directory"].append(here["s"])
            times["bucket"].append(there["s"])
        best = {name: min(seconds) for name, seconds in times.items()}
        ratio = best["bucket"] / best["directory"]
        print(f"{args.rows:,} rows, the same digests. Seconds: {times}. Best by best: {ratio:.2f}")
        for what in ("with the copies", "with an empty cache"):
            before = requests(directory)
            cached = finished(started(f"s3://{BUCKET}/store{args.rounds - 1}", source))
            assert cached["cached"]
            print(f"cached, {what}: {cached['s']:.2f} s, {requests(directory) - before} requests")
            shutil.rmtree(cache)
        incomplete = 0
        for turn in range(args.kills):
            store = f"s3://{BUCKET}/killed{turn}"
            shutil.rmtree(cache, ignore_errors=True)
            process = started(store, source)
            time.sleep(random.Random(turn).uniform(0.0, 1.5) * max(times["bucket"]) + 1)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            incomplete += process.returncode == -signal.SIGKILL
            assert not (wrong := half_published(f"{BUCKET}/killed{turn}")), wrong
            if turn % 2:  # the copy is lost too
                shutil.rmtree(cache, ignore_errors=True)
            assert finished(started(store, source))["digests"] == here["digests"]
        print(f"{args.kills} kills, {incomplete} of them before the end: all completed after")


if __name__ == "__main__":
    main()
