"""Pushes and rollbacks under constant load: no request may fail, no answer may mix two versions.

    python benchmarks/hot_swap.py [--seconds 60] [--pushes 10] [--rollbacks 3] [--clients 4]

Each version answers with a constant of its own in two outputs and every row, so an answer that
mixes two versions is detected. Clients alternate between REST and gRPC. Exits with an error if a
request failed.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from serving.client.client import Client
from serving.server.launch import ServerProcess
from serving.versions.directory import Directory
from serving.wire.errors import ServingError

ROWS = 8


def write_constant(path: Path, value: float) -> None:
    """Write a model whose outputs are always `value`."""
    import tensorflow as tf

    from serving.signatures import SignatureInput, export

    owner = tf.Module()
    owner.value = tf.Variable(value)

    def answer(raw: dict[str, Any]) -> dict[str, Any]:
        constant = tf.zeros_like(raw["x"]) + owner.value
        return {"first": constant, "second": constant}

    export(answer, owner, [SignatureInput("x", "float32")], ["first", "second"], path)


class Asking:
    """Clients that send requests without a pause, and the answers they got."""

    def __init__(self, urls: list[str], clients: int) -> None:
        self.answers: Counter[float] = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask, args=(urls[i % len(urls)],)) for i in range(clients)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop all clients after their last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, url: str) -> None:
        x = np.zeros(ROWS, "float32")
        with Client(url, "m") as client:
            while not self._stop.is_set():
                try:
                    answers = client.predict({"x": x})
                except ServingError as error:
                    self.failures.append(f"{url}: {error}")
                    continue
                values = {float(v) for output in answers.values() for v in output}
                with self._lock:
                    if len(values) > 1:
                        self.failures.append(f"{url}: mixed versions: {values}")
                    self.answers[min(values)] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pushes", type=int, default=10)
    parser.add_argument("--rollbacks", type=int, default=3)
    parser.add_argument("--clients", type=int, default=4)
    args = parser.parse_args()
    steps = ["push"] * args.pushes
    for i in range(args.rollbacks):  # spread among the pushes
        steps.insert((i + 1) * len(steps) // (args.rollbacks + 1), "rollback")
    with tempfile.TemporaryDirectory() as directory:
        base, exported = Path(directory, "served"), Path(directory, "models")
        for number in range(args.pushes + 1):
            write_constant(exported / str(number), float(number))
        Directory(base).push("m", exported / "0", "0")
        options = ["--batch-rows", "32", "--poll-seconds", "0.2"]
        with ServerProcess({"m": base / "m"}, Path(directory, "log"), options) as server:
            ports = server.wait(120)
            urls = [f"http://127.0.0.1:{ports['rest']}", f"grpc://127.0.0.1:{ports['grpc']}"]
            asking = Asking(urls, args.clients)
            pushed = 0
            for step in steps:
                time.sleep(args.seconds / (len(steps) + 1))
                if step == "push":
                    pushed += 1
                    Directory(base).push("m", exported / str(pushed), str(pushed), keep=3)
                else:
                    Directory(base).rollback("m")
            time.sleep(args.seconds / (len(steps) + 1))
            asking.stop()
    answers = sum(asking.answers.values())
    print(
        f"{args.pushes} pushes, {args.rollbacks} rollbacks, {args.clients} clients:"
        f" {answers} answers"
    )
    print(f"by version's constant: {dict(sorted(asking.answers.items()))}")
    print(f"failed or mixed: {len(asking.failures)}")
    if asking.failures:
        raise SystemExit("\n".join(asking.failures[:10]))


if __name__ == "__main__":
    main()
