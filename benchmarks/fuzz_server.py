"""Malformed requests against the embedded server: it must refuse each, keep running, and not grow.

    python benchmarks/fuzz_server.py BASE_PATH [--cases 10000]

Prints the answers to each kind of request, and the server's memory before and after. The first
tenth of the cases is warm-up.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import psutil

from serving.checks.arguments import parse_values
from serving.checks.fuzz import fuzz
from serving.server.launch import ServerProcess


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="its directory of versions")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--input", action="append", default=[], metavar="NAME=VALUE|@FILE")
    args = parser.parse_args()
    inputs = parse_values(args.input)
    base = args.model.resolve()
    options = ["--max-body-bytes", "1000000", "--batch-rows", "8"]
    with (
        tempfile.TemporaryDirectory() as logs,
        ServerProcess({base.name: base}, Path(logs, "server.log"), options) as server,
    ):
        ports = server.wait(300)
        rest, grpc = f"http://127.0.0.1:{ports['rest']}", f"grpc://127.0.0.1:{ports['grpc']}"
        process = psutil.Process(server.process.pid)
        fuzz(rest, grpc, base.name, inputs, args.cases // 10, seed=1)
        before = process.memory_info().rss
        counts = fuzz(rest, grpc, base.name, inputs, args.cases, seed=2)
        after = process.memory_info().rss
        assert server.process.poll() is None
        for (kind, answer), count in sorted(counts.items()):
            print(f"{kind:18} {answer:22} {count:6}")
        print(
            f"{args.cases} cases; memory {before / 2**20:.0f} MiB before, {after / 2**20:.0f} after"
        )


if __name__ == "__main__":
    main()
