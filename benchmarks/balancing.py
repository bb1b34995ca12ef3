"""Time of a training step with every balancing method, relative to plain summed losses.

    python benchmarks/balancing.py [--tasks 2,8,32] [--rounds 5] [--methods pcgrad,mgda]
        [--at representation] [--threads 1] [--peers PYTHON]

The network has 64 inputs, four dense layers of 512, a shared representation of 128 and a head per
binary task; batches of 256 rows, Adam. Measured are the Trainer's compiled steps, with its metrics.
Gradient methods are measured at the representation and at the parameters. Methods take turns, so
that a busy machine slows all of them down; a ratio is the median over rounds of a method's time
divided by that of plain sums in the same round.

--threads: for TensorFlow and PyTorch; by default one per core. With one thread, CPU time is
measured, which other processes disturb less.

--peers: a Python that has torch and torchjd, and LibMTL or not. `balancing_peers.py` then measures
their methods after ours, each relative to plain sums in PyTorch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.balancing.base import Balancing, GradientBalancing
from models.discovery import methods
from models.inputs.numeric import NumericFeature
from models.lazy import keras, tf
from models.multitask.model import MultitaskModel
from models.optimizers.variable_rates import VariableRate, with_variable_rates
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.trunks.encoders.column_mlp import ColumnMlp
from models.trunks.scratch import Scratch

INPUTS, BATCH, LAYERS, WIDTH = 64, 256, (512, 512, 512, 512), 128
METHODS = methods("models.balancing", Balancing)
PLAIN = "equal"
PEERS = ("libmtl", "torchjd"), ("libmtl_parameters", "torchjd_autojac", "torchjd_autogram")
"""Columns of peers at the representation and at parameters."""


def cases(names: list[str], at: list[str]) -> dict[str, Balancing]:
    """Methods with default parameters, by name. `fixed` is left out: it has no defaults."""
    chosen: dict[str, Balancing] = {}
    for name in names:
        method = METHODS[name]
        if name == "fixed":
            continue
        if not issubclass(method, GradientBalancing) or "representation" in at:
            chosen[name] = method()
        if issubclass(method, GradientBalancing) and "parameters" in at:
            chosen[f"{name} at parameters"] = method(at="parameters")
    return {PLAIN: METHODS[PLAIN](), **chosen}


def stepper(
    balancing: Balancing, tasks: int, steps: int, clock: Callable[[], float]
) -> Callable[[], float]:
    """A function that trains for `steps` steps and returns the seconds per step."""
    keras.utils.set_random_seed(0)
    features = tuple(
        NumericFeature(name=f"x{i}", column="", mean=0, deviation=1) for i in range(INPUTS)
    )
    targets = tuple(TaskTarget(task=BinaryTask(name=f"t{i}", label="")) for i in range(tasks))
    trunk = Scratch(width=WIDTH, dropout=0, columns=ColumnMlp(layers=LAYERS, members=1))
    model = MultitaskModel(features, targets, trunk, Hard(), balancing)
    variables = model.trainable_variables
    optimizer = with_variable_rates(keras.optimizers.Adam)(
        learning_rate=1e-3, rates=[VariableRate(1.0, 0) for _ in variables]
    )
    optimizer.build(variables)
    model.compile(optimizer, jit_compile=False)
    model.make_train_function()
    step = model.train_function
    rng = np.random.default_rng(0)
    x = {f.name: tf.constant(rng.normal(size=BATCH), tf.float32) for f in features}
    y = {t.name: tf.constant(rng.integers(0, 2, BATCH), tf.float32) for t in targets}
    data = tf.data.Dataset.from_tensors((x, y)).repeat()
    batches = iter(data)
    for _ in range(2):
        step(batches)

    def run() -> float:
        began = clock()
        for _ in range(steps):
            step(batches)
        return (clock() - began) / steps

    return run


def ratios(seconds: dict[str, list[float]]) -> dict[str, float]:
    """Medians over rounds of the time relative to plain sums in the same round."""
    plain = seconds[PLAIN]
    return {
        name: statistics.median(a / b for a, b in zip(times, plain, strict=True))
        for name, times in seconds.items()
    }


def measured(
    every: dict[str, Balancing], tasks: int, rounds: int, steps: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Ratios of our methods. They are built in small groups, each measured with plain sums."""
    others = [name for name in every if name != PLAIN]
    result: dict[str, float] = {}
    for begin in range(0, len(others), 8):
        group = [PLAIN, *others[begin : begin + 8]]
        runs = {name: stepper(every[name], tasks, steps, clock) for name in group}
        seconds: dict[str, list[float]] = {name: [] for name in group}
        for _ in range(rounds):
            for name, run in runs.items():
                seconds[name].append(run())
        result |= ratios(seconds)
        result.setdefault("plain_ms", 1e3 * statistics.median(seconds[PLAIN]))
        keras.backend.clear_session()
    return result


def peers(python: str, *arguments: object) -> dict[str, float]:
    """Ratios of the methods of LibMTL and TorchJD."""
    script = Path(__file__).with_name("balancing_peers.py")
    command = [python, str(script), *map(str, arguments)]
    process = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(process.stdout.splitlines()[-1])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", default="2,8,32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--at", default="representation,parameters")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--peers")
    args = parser.parse_args()
    if args.threads:
        tf.config.threading.set_intra_op_parallelism_threads(args.threads)
        tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    clock = time.process_time if args.threads == 1 else time.perf_counter
    for tasks in map(int, args.tasks.split(",")):
        every = cases(args.methods.split(","), args.at.split(","))
        ours = measured(every, tasks, args.rounds, args.steps, clock)
        theirs = {}
        if args.peers:
            counts = tasks, args.rounds, args.steps, args.threads
            theirs = peers(args.peers, *counts, args.methods)
        print(f"\n{tasks} tasks; plain sums: {ours.pop('plain_ms'):.2f} ms a step", end="")
        print(f", {theirs.pop('plain_ms'):.2f} ms in PyTorch" if theirs else "")
        print("\n| method | ours | LibMTL | TorchJD | TorchJD, from inner products |")
        print("| --- " * 5 + "|")
        for name, ratio in ours.items():
            base = name.removesuffix(" at parameters")
            row = [f"{ratio:.2f}"]
            for library in PEERS[base != name]:
                there = theirs.get(f"{library}/{base}")
                row.append(f"{there:.2f}" if there is not None else "")
            row += [""] * (4 - len(row))
            print(f"| {name} | {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
