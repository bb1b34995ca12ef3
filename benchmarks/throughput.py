"""The embedded server's throughput and latency beside calling the SavedModel in-process.

    python benchmarks/throughput.py BASE_PATH [--rows 32] [--seconds 5] [--input NAME=@FILE]

BASE_PATH is a model's directory of versions, such as `.rootstock/serving/digits`. Both sides get
the same requests of `--rows` rows from 1, 8 and 32 clients, in turns, on the same cores; the
clients of the server run in a process of their own. The ratio is rows per second, server / direct.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from serving.client import DEFAULT_SIGNATURE, Client
from serving.load import Load, inputs_of, run, values_of
from serving.server.launch import ServerProcess
from serving.server.saved_model import SavedModel
from serving.versions import numbers

CLIENTS = (1, 8, 32)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="its directory of versions")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--batch-rows", type=int, default=128, help="of the server; 0: no batching")
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
        inputs = inputs_of(signature, args.rows, values_of(args.input))
        model = SavedModel(base / str(numbers(base)[-1]))

        def direct() -> None:
            model.predict(DEFAULT_SIGNATURE, inputs)

        print(f"{base.name}: requests of {args.rows} rows; rows/s (p50, p99 in ms)")
        print(f"{'clients':>7} {'direct':>26} {'gRPC':>33} {'REST':>33}")
        for clients in CLIENTS:
            alone = run(lambda: direct, clients, args.rows, args.seconds)
            told = [_told(alone)]
            for url in urls.values():
                load = _elsewhere(url, base.name, clients, args)
                ratio = load["rows_per_s"] / alone.throughput
                told.append(
                    f"{load['rows_per_s']:9.0f} ({load['p50_ms']:6.1f}, {load['p99_ms']:6.1f})"
                    f" x{ratio:5.2f}"
                )
            print(f"{clients:7} {told[0]:>26} {told[1]:>33} {told[2]:>33}", flush=True)


def _told(load: Load) -> str:
    return f"{load.throughput:9.0f} ({load.percentile(0.5):6.1f}, {load.percentile(0.99):6.1f})"


def _elsewhere(url: str, model: str, clients: int, args: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "serving.load", url, model, "--clients", str(clients)]
    command += ["--rows", str(args.rows), "--seconds", str(args.seconds)]
    command += [word for text in args.input for word in ("--input", text)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout)
    if told["failures"]:
        raise SystemExit(f"{url}: {told['failures']} requests failed")
    return told


if __name__ == "__main__":
    main()
