"""Does every balancing method train the same on one replica, on two, and in two processes?

    python benchmarks/replicas.py                  # all methods, 100 steps: about half an hour
    python benchmarks/replicas.py --methods equal pcgrad --steps 20

Prints, by method and place of its gradients, the largest difference of any weight and of any
epoch's figure from those of one device, and the bytes that a step sends beyond the gradient of all
weights, as a share of that. Two replicas are two logical CPU devices of a process; two processes
are workers that meet on this machine. Eight binary tasks, of which labels are missing; batches of
30 rows, so that replicas have 15; Adam with clipping; float32.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from components.training.dataset import training_batches
from components.training.devices import ONE_DEVICE, Devices, devices_for
from components.training.loop import Loop
from components.training.rows import Rows
from components.training.workers import environment_of, joined, workers_from
from models.balancing.base import Balancing
from models.discovery import methods
from models.inputs.numeric import NumericFeature
from models.lazy import keras, tf
from models.multitask.model import MultitaskModel
from models.optimizers.variable_rates import VariableRate, with_variable_rates
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.trunks.scratch import Scratch

TASKS, ROWS, BATCH, STEPS_PER_EPOCH = 8, 300, 30, 10
NAMES = [f"t{i}" for i in range(TASKS)]
METHODS = methods("models.balancing", Balancing)


def cases(wanted: list[str]) -> Iterator[tuple[str, Balancing]]:
    for name in wanted or METHODS:
        places = ("representation", "parameters")
        if "at" not in {f.name for f in fields(METHODS[name])}:  # type: ignore[arg-type]
            yield name, METHODS[name]()
            continue
        for at in places:
            yield f"{name} at {at}", METHODS[name](at=at)  # type: ignore[call-arg]


def rows() -> Rows:
    rng = np.random.default_rng(0)
    x = {n: rng.normal(size=ROWS).astype(np.float32) for n in NAMES}
    mixed = np.stack(list(x.values())).T @ rng.normal(size=(TASKS, TASKS))
    labels = {n: (mixed[:, i] > 0).astype(np.float32) for i, n in enumerate(NAMES)}
    for i, values in enumerate(labels.values()):
        values[rng.random(ROWS) < 0.1 * i] = np.nan
    return Rows(x, labels)


def trained(
    method: Balancing, devices: Devices, steps: int
) -> tuple[list[np.ndarray], list[float]]:
    """The weights, and the figures of all epochs."""
    keras.utils.set_random_seed(0)
    features = tuple(NumericFeature(name=n, column=n, mean=0, deviation=1) for n in NAMES)
    targets = tuple(TaskTarget(task=BinaryTask(name=n, label=n)) for n in NAMES)
    with devices.scope():
        model = MultitaskModel(features, targets, Scratch(dropout=0), Hard(), method)
        variables = model.trainable_variables
        optimizer = with_variable_rates(keras.optimizers.Adam)(
            0.003, rates=[VariableRate()] * len(variables), global_clipnorm=1.0
        )
        optimizer.build(variables)
        model.compile(optimizer)
        devices.prepare(model)()
        epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        own = {"replicas": devices.count, "own": devices.own}
        batches = training_batches(rows(), BATCH, 0, epoch, steps=STEPS_PER_EPOCH, **own)  # type: ignore[arg-type]
        loop, figures = Loop(model, devices=devices), list[float]()
        for number in range(steps // STEPS_PER_EPOCH):
            epoch.assign(number)
            found = loop.train(batches, lambda _: None)
            figures += [found[name] for name in sorted(found)]
        return [np.asarray(w) for w in model.weights], figures


def counted() -> list[int]:
    """A list to which each replica adds the bytes of its sums when the graph is traced."""
    sizes, original = list[int](), tf.distribute.ReplicaContext.all_reduce

    def all_reduce(self: Any, op: Any, value: Any, options: Any = None) -> Any:
        tensors = tf.nest.flatten(value)
        sizes.append(sum(t.dtype.size * (t.shape.num_elements() or 0) for t in tensors))
        return original(self, op, value, options)

    tf.distribute.ReplicaContext.all_reduce = all_reduce
    return sizes


def arm(directory: Path, wanted: list[str], steps: int) -> None:
    """Train all methods in this process, as the environment says, and save what came out."""
    workers = workers_from()
    if workers is not None:
        workers.join()
        arms = {"processes": Devices(joined())}
    else:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
        arms = {"one": ONE_DEVICE, "replicas": devices_for("all")}
    sizes = counted()
    for name, method in cases(wanted):
        for arm, devices in arms.items():
            sizes.clear()
            weights, figures = trained(method, devices, steps)
            if workers is None or workers.is_chief:
                arrays = {f"w{i}": w for i, w in enumerate(weights)}
                np.savez(
                    directory / f"{arm} {name}.npz",
                    allow_pickle=False,
                    figures=np.array(figures),
                    sizes=np.array(sizes) / len(devices.own),
                    **arrays,
                )


def compared(one: Any, other: Any) -> tuple[float, float]:
    names = [n for n in one.files if n.startswith("w")]
    weights = max(float(np.max(np.abs(one[n] - other[n]))) for n in names)
    return weights, float(np.nanmax(np.abs(one["figures"] - other["figures"])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--directory", type=Path, help="of an arm, started by this script")
    args = parser.parse_args()
    if args.directory:
        arm(args.directory, args.methods, args.steps)
        return
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, __file__, "--directory", name, "--steps", str(args.steps)]
        command += ["--methods", *args.methods] if args.methods else []
        addresses = "127.0.0.1:23461", "127.0.0.1:23462"
        alone: list[dict[str, str]] = [{}]
        for environments in (alone, [environment_of(addresses, i) for i in range(2)]):
            processes = [subprocess.Popen(command, env=os.environ | e) for e in environments]
            codes = [p.wait() for p in processes]
            if any(codes):
                sys.exit("an arm failed")
        print(
            "| method | replicas: weights | figures | processes: weights | figures | extra bytes |"
        )
        print("|---|---|---|---|---|---|")
        for case, _ in cases(args.methods):
            files = {
                a: np.load(Path(name, f"{a} {case}.npz")) for a in ("one", "replicas", "processes")
            }
            plain = 4 * sum(files["one"][n].size for n in files["one"].files if n.startswith("w"))
            extra = float(np.sum(files["replicas"]["sizes"])) / plain - 1
            cells = [x for a in ("replicas", "processes") for x in compared(files["one"], files[a])]
            print(
                f"| {case} | {' | '.join(f'{x:.1e}' for x in cells)} | {extra:+.2%} |", flush=True
            )
        print(json.dumps({"steps": args.steps, "bytes of all weights": plain}))


if __name__ == "__main__":
    main()
