"""Training beside bare Keras and PyTorch on the same cores.

    python benchmarks/speed_peers.py --torch PYTHON [--rounds 7] [--cases table,digits] [--out FILE]

--torch: the Python of an environment of its own with torch and torchvision. Without it, only Keras
is measured.

Each engine is a process that trains the same network on the same random data; all are pinned to the
same cores and have as many threads. In a round each engine trains for the same number of steps, one
after the other, so a machine whose speed changes slows all of them down. A figure is the median
over rounds, and a ratio the median of the ratios within rounds.

- trainer: batches, training step and figures of the Trainer. It also computes the metrics of an
  epoch; the others compute the loss only.
- recompute: with gradient checkpointing (`smollm128`, of which nothing is measured with `fit`).
- reading: the Trainer's batches without training.
- fit: `keras.Model.fit` with the same layers; fit8: with 8 steps per execution.
- eager, compile: PyTorch, with `torch.compile`, its fused Adam, and images channels-last.
- bf16: `training.mixed_precision` here, autocast in PyTorch.

The limit is a product of two matrices of 2048, in the type of the engine. The share of it is that
of the operations of matrix products and convolutions, of which a step has three times as many as a
prediction.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from speed_peers_cases import CASES

HERE = Path(__file__).parent
KERAS = ("trainer", "trainer recompute", "trainer bf16", "reading", "fit", "fit8")
TORCH = ("eager", "eager bf16", "compile", "compile bf16")
LIMITS = ("product", "product bf16")


class Engine:
    """A worker process, which waits between rounds."""

    def __init__(self, python: str, script: str, case: str, engine: str) -> None:
        command = [python, str(HERE / script), case, *engine.split()]
        pipe = subprocess.PIPE
        variables = os.environ | {"PYTHONPATH": str(HERE.parent) if "keras" in script else ""}
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=variables)
        self.about = self._line(command)

    def round(self) -> dict[str, float]:
        """Seconds of wall time and of CPU time."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._line(self.process.args)

    def _line(self, command: object) -> dict[str, float]:
        assert self.process.stdout is not None
        if not (line := self.process.stdout.readline()):
            raise SystemExit(f"{command} ended with exit code {self.process.wait()}")
        values: dict[str, float] = json.loads(line)
        return values

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def measured(case: str, rounds: int, torch: str | None, names: list[str]) -> dict[str, object]:
    """The rounds of a case."""
    engines = {}
    try:
        left_out = ("fit", "fit8") if CASES[case].lora else ("trainer recompute",)
        every = [n for n in (*KERAS, *TORCH, *LIMITS) if n not in left_out]
        for name in (n for n in every if not names or n in names):
            script = "speed_peers_keras.py" if name in KERAS else "speed_peers_torch.py"
            python = sys.executable if name in KERAS else torch
            if python is not None:
                engines[name] = Engine(python, script, case, name)
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
        for _ in range(rounds):
            for name, engine in engines.items():
                taken[name].append(engine.round())
        about = {name: engine.about for name, engine in engines.items()}
    finally:
        for engine in engines.values():
            engine.close()
    return {"case": case, "about": about, "taken": taken}


def show(
    case: str, about: Mapping[str, Mapping[str, float]], taken: Mapping[str, list[dict[str, float]]]
) -> None:
    """A line per engine: rows per second, ratio to the Trainer, share of the limit."""
    unit, rounds = CASES[case].unit, len(next(iter(taken.values())))
    print(f"\n{case}: {unit} per second, medians of {rounds} rounds")
    columns = ("wall", 9), ("(least", 9), ("most)", 9), ("per CPU s", 11), ("of trainer", 12)
    print(f"{'':14}" + "".join(f"{title:>{width}}" for title, width in (*columns, ("limit", 8))))
    for name, each in taken.items():
        if name in LIMITS:
            continue
        rows = about[name]["rows"]
        speeds = sorted(rows / t["wall"] for t in each)
        cpu = statistics.median(rows / t["cpu"] for t in each)
        line = (
            f"{name:14}{statistics.median(speeds):9.1f}{speeds[0]:9.1f}{speeds[-1]:9.1f}{cpu:11.1f}"
        )
        if "trainer" in taken:
            pairs = zip(taken["trainer"], each, strict=True)
            line += f"{statistics.median(t['wall'] / o['wall'] for t, o in pairs):12.2f}"
        limit = "product bf16" if "bf16" in name else "product"
        flops = about.get("trainer", {}).get("flops", 0) * rows
        if limit in taken and flops and name != "reading":
            pairs = zip(taken[limit], each, strict=True)
            most = about[limit]["flops"]
            share = statistics.median((flops / o["wall"]) / (most / p["wall"]) for p, o in pairs)
            line += f"{share:8.2f}"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cases", default=",".join(CASES), help="all by default: %(default)s")
    parser.add_argument("--engines", default="", help="such as trainer,compile bf16")
    parser.add_argument("--cpus", type=int, default=2, help="number of cores")
    parser.add_argument("--out", type=Path, help="raw lines are added to this file")
    args = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.cpus])
    names = [n for n in args.engines.split(",") if n]
    for case in args.cases.split(","):
        result = measured(case, args.rounds, args.torch, names)
        show(**result)  # type: ignore[arg-type]
        if args.out is not None:
            with args.out.open("a") as file:
                file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
