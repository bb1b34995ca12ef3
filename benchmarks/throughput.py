"""Throughput and latency of the embedded server, compared with calling the SavedModel in-process.

    python benchmarks/throughput.py BASE_PATH [--rows 32] [--turns 5] [--input NAME=@FILE]

BASE_PATH is a model's directory of versions, such as `.rootstock/serving/digits`. In-process calls
are made as TensorFlow does (`tf.saved_model.load`), and as the server does. All get the same
requests of `--rows` rows from 1, 8 and 32 clients, in turns, on the same cores; the clients of the
server run in a separate process. Ratios are rows per second, server divided by TensorFlow and
server divided by its own in-process call: medians over turns.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median

from serving.checks.arguments import example_inputs, parse_values
from serving.checks.load import run
from serving.client.client import Client
from serving.server.launch import ServerProcess
from serving.server.saved_model import SavedModel
from serving.versions.history import version_numbers
from serving.wire.errors import ServingError
from serving.wire.names import DEFAULT_SIGNATURE

CLIENTS = (1, 8, 32)


@dataclass(frozen=True)
class Figures:
    """The figures of one turn."""

    rows_per_s: float
    p50_ms: float
    p99_ms: float

    def __str__(self) -> str:
        return f"{self.rows_per_s:9.0f} ({self.p50_ms:6.1f}, {self.p99_ms:6.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="its directory of versions")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--batch-rows", type=int, default=32, help="of the server; 0: no batching")
    parser.add_argument("--input", action="append", default=[], metavar="NAME=@FILE")
    args = parser.parse_args()
    base = args.model.resolve()
    options = ["--batch-rows", str(args.batch_rows)]
    with (
        tempfile.TemporaryDirectory() as logs,
        ServerProcess({base.name: base}, Path(logs, "server.log"), options) as server,
    ):
        ports = server.wait(300)
        urls = {
            "gRPC": f"grpc://127.0.0.1:{ports['grpc']}",
            "REST": f"http://127.0.0.1:{ports['rest']}",
        }
        with Client(urls["gRPC"], base.name) as client:
            signature = client.metadata()[DEFAULT_SIGNATURE]
        inputs = example_inputs(signature, args.rows, parse_values(args.input))
        model = SavedModel(base / str(version_numbers(base)[-1]))

        def direct() -> None:
            model.predict(DEFAULT_SIGNATURE, inputs)

        import tensorflow as tf

        signature_of = tf.saved_model.load(str(base / str(version_numbers(base)[-1]))).signatures
        plain = signature_of[DEFAULT_SIGNATURE]

        def tensorflow() -> None:
            answers = plain(**{name: tf.constant(v) for name, v in inputs.items()})
            for answer in answers.values():
                answer.numpy()

        here = {"TensorFlow": tensorflow, "own run": direct}
        try:
            direct()
        except ServingError as error:
            parser.error(f"{error.message}. Give inputs that it can read: --input NAME=@FILE")
        print(f"{base.name}: requests of {args.rows} rows; rows/s (p50, p99 in ms)")
        print(f"{'clients':>7} {'TensorFlow':>26} {'own run':>26} {'gRPC':>38} {'REST':>38}")
        for clients in CLIENTS:
            turns: dict[str, list[Figures]] = {name: [] for name in (*here, *urls)}
            for _ in range(args.turns):
                for name, call in here.items():
                    turns[name].append(_here(call, clients, args))
                for name, url in urls.items():
                    turns[name].append(_elsewhere(url, base.name, clients, args))
            line = f"{clients:7}"
            for name in here:
                line += f" {_middle(turns[name])!s:>26}"
            for name in urls:
                ratios = (_ratio(turns[name], turns[other]) for other in here)
                cell = f"{_middle(turns[name])} " + " ".join(f"x{r:5.2f}" for r in ratios)
                line += f" {cell:>38}"
            print(line, flush=True)


def _ratio(served: Sequence[Figures], here: Sequence[Figures]) -> float:
    pairs = zip(served, here, strict=True)
    return median(one.rows_per_s / other.rows_per_s for one, other in pairs)


def _middle(turns: Sequence[Figures]) -> Figures:
    return Figures(*(median(values) for values in zip(*map(astuple, turns), strict=True)))


def _here(call: Callable[[], None], clients: int, args: argparse.Namespace) -> Figures:
    load = run(lambda: nullcontext(call), clients, args.rows, args.seconds)
    return Figures(load.throughput, load.percentile(0.5), load.percentile(0.99))


def _elsewhere(url: str, model: str, clients: int, args: argparse.Namespace) -> Figures:
    command = [sys.executable, "-m", "serving.checks.load", url, model, "--clients", str(clients)]
    command += ["--rows", str(args.rows), "--seconds", str(args.seconds)]
    command += [word for text in args.input for word in ("--input", text)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    if report["failures"]:
        raise SystemExit(f"{url}: {report['failures']} requests failed")
    return Figures(report["rows_per_s"], report["p50_ms"], report["p99_ms"])


if __name__ == "__main__":
    main()
