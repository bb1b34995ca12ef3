"""Latency and throughput of a pushed model on the embedded server, over REST and gRPC.

    python benchmarks/latency.py BASE_PATH [--requests 200] [--batch 32] [--input NAME=FILE]

BASE_PATH is a model's directory of versions, such as `.rootstock/serving/sms`; the newest version
is served in a separate process. One client sends one request at a time. `--input` names a text
file with one value per line (text for string inputs, else numbers). Without it, string inputs get
a few short messages, number inputs random numbers. A tenth of `--requests` is sent before the
clock starts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from serving.client.client import Client
from serving.server.launch import ServerProcess
from serving.wire.tensors import STRING

MESSAGES = (
    "Are we still on for lunch tomorrow?",
    "URGENT! You have won a 1 week FREE membership in our £100,000 prize jackpot. Text CLAIM to"
    " 81010, T&C www.example.com 18+ only",
    "ok",
    "I'll be home by seven, the train was late again and there was no seat to be had. Shall I bring"
    " bread and milk, or did you get some already?",
)

Columns = dict[str, list[Any]]
"""Values by input."""


@dataclass(frozen=True)
class Figures:
    """Milliseconds of requests with one example; examples per second in batches."""

    p50: float
    p95: float
    worst: float
    throughput: float


def measured(client: Client, columns: Columns, requests: int, batch: int) -> Figures:
    """Send requests with one example each, then batches."""
    singles = batches(columns, 1)
    for _ in range(max(requests // 10, 1)):
        client.predict(next(singles))
    took = np.array([_seconds(client, next(singles)) for _ in range(requests)]) * 1000
    large = batches(columns, batch)
    client.predict(next(large))
    count = max(requests // batch, 5)
    seconds = sum(_seconds(client, next(large)) for _ in range(count))
    p50, p95 = np.percentile(took, [50, 95])
    return Figures(float(p50), float(p95), float(took.max()), count * batch / seconds)


def batches(columns: Columns, size: int) -> Iterator[Columns]:
    """Batches of `size` examples, over and over."""
    endless = {name: cycle(values) for name, values in columns.items()}
    while True:
        yield {name: list(islice(values, size)) for name, values in endless.items()}


def _seconds(client: Client, inputs: Columns) -> float:
    began = time.perf_counter()
    client.predict(inputs)
    return time.perf_counter() - began


def examples(client: Client, files: dict[str, Path]) -> Columns:
    """Values for each input of the model."""
    columns: Columns = {}
    inputs = client.metadata()[client.signature].inputs
    if unknown := set(files) - set(inputs):
        raise SystemExit(f"no input {', '.join(unknown)}; expected some of: {', '.join(inputs)}")
    for name, spec in inputs.items():
        text = spec.data_type == STRING
        if name in files:
            lines = files[name].read_text(encoding="utf-8").splitlines()
            columns[name] = lines if text else [float(line) for line in lines]
        else:
            columns[name] = list(MESSAGES) if text else np.random.default_rng(0).random(64).tolist()
    return columns


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="its directory of versions")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--input", action="append", default=[], metavar="NAME=FILE")
    args = parser.parse_args()
    files = {name: Path(file) for name, _, file in (i.partition("=") for i in args.input)}
    name = args.model.resolve().name
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as logs,
        ServerProcess({name: args.model.resolve()}, Path(logs, "server.log")) as server,
    ):
        ports = server.wait(300)
        print(f"{name}: served after {time.perf_counter() - began:.1f} s")
        print(
            f"{'':6} {'p50 ms':>8} {'p95 ms':>8} {'worst':>8} {'batch of ' + str(args.batch):>16}"
        )
        for kind, url in (("REST", "http"), ("gRPC", "grpc")):
            port = ports["rest" if kind == "REST" else "grpc"]
            with Client(f"{url}://localhost:{port}", name) as client:
                figures = measured(client, examples(client, files), args.requests, args.batch)
            print(
                f"{kind:6} {figures.p50:8.1f} {figures.p95:8.1f} {figures.worst:8.1f}"
                f" {figures.throughput:10.1f} per s"
            )


if __name__ == "__main__":
    main()
