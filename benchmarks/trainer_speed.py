"""Steps per second of the Trainer against plain `keras.Model.fit` with the same layers and data.

    python benchmarks/trainer_speed.py [--rounds 5]

- Bare: the same trunk and heads as one functional model, Keras's own Adam, losses and metrics
  (AUC and accuracy per task, like the Trainer), NumPy arrays passed to `fit`; and again without
  metrics.
- Trainer: model, data set, optimizer and loop of `components.training.fit`, with a checkpoint after
  every epoch.

They take turns in one process, so that a busy machine slows all of them down; a ratio is the
median over rounds. Data are synthetic, because values do not matter for speed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.stage import Silent
from components.training.checkpoint import Checkpoint, Progress
from components.training.choices import Situation, choose
from components.training.dataset import training_batches
from components.training.epochs import Epochs
from components.training.loop import Loop
from components.training.optimizer import make_optimizer
from components.training.rows import Rows
from components.training.settings import Training
from models.balancing.loss_based.equal import Equal
from models.inputs.base import Feature
from models.inputs.categorical import CategoricalFeature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.lazy import keras, tf
from models.multitask.adaptation import Adaptation
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.trunks.encoders.column_mlp import ColumnMlp
from models.trunks.scratch import Scratch

RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Case:
    """A data set like that of an example."""

    name: str
    features: tuple[Feature, ...]
    columns: dict[str, np.ndarray]
    tasks: tuple[str, ...]
    batch_size: int

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def labels(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(1)
        return {t: rng.integers(0, 2, self.rows).astype(np.float32) for t in self.tasks}


def census() -> Case:
    """5 numeric and 6 categorical columns, 2 tasks, 200 steps of 256 rows."""
    rows, ids = 200 * 256, {"work": 8, "school": 16, "job": 14, "race": 5, "sex": 2, "land": 41}
    numeric = [NumericFeature(name=f"n{i}", column="", mean=0, deviation=1) for i in range(5)]
    categorical = [
        CategoricalFeature(name=n, column="", vocabulary=tuple(map(str, range(size))))
        for n, size in ids.items()
    ]
    columns = {f.name: RNG.normal(size=rows).astype(np.float32) for f in numeric}
    columns |= {n: RNG.integers(0, size + 2, rows).astype(np.int32) for n, size in ids.items()}
    return Case("census", (*numeric, *categorical), columns, ("income", "married"), 256)


def objects() -> Case:
    """32x32 images, 3 tasks, 12 steps of 128 rows."""
    feature = ImageFeature(name="image", column="", height=32, width=32, channels=3)
    images = RNG.integers(0, 256, (12 * 128, 32, 32, 3), dtype=np.uint8)
    return Case("objects", (feature,), {"image": images}, ("cat", "dog", "car"), 128)


PLAIN = Scratch(columns=ColumnMlp(members=1))
"""A trunk whose outputs are rows, as heads of plain Keras need."""


class Bare:
    """`keras.Model.fit` with parts of Keras only, with or without metrics."""

    def __init__(self, case: Case, measured: bool) -> None:
        keras.utils.set_random_seed(0)
        trunk = PLAIN.build(case.features)
        dense = {
            t: keras.layers.Dense(1, activation="sigmoid", name=t)(trunk.output) for t in case.tasks
        }
        self.case = case
        self.model = keras.Model(trunk.input, dense)
        self.model.compile(
            keras.optimizers.Adam(
                keras.optimizers.schedules.CosineDecay(
                    0.0, 9500, warmup_target=1e-3, warmup_steps=500
                )
            ),
            loss=dict.fromkeys(case.tasks, "binary_crossentropy"),
            metrics={t: [keras.metrics.AUC(name="auc"), "accuracy"] for t in case.tasks}
            if measured
            else None,
        )

    def epoch(self) -> None:
        self.model.fit(
            self.case.columns,
            self.case.labels,
            batch_size=self.case.batch_size,
            epochs=1,
            verbose=0,
        )


class Ours:
    """An epoch of the Trainer."""

    def __init__(self, case: Case, directory: Path) -> None:
        keras.utils.set_random_seed(0)
        targets = tuple(TaskTarget(task=BinaryTask(name=t, label=t)) for t in case.tasks)
        self.model = MultitaskModel(case.features, targets, PLAIN, Hard(), Equal())
        adaptation = Adaptation(None, self.model)
        settings = choose(
            Training(epochs=10, batch_size=case.batch_size), Situation(len(case.labels))
        )
        optimizer = make_optimizer(settings, 1000, adaptation.variable_rates(1000))
        optimizer.build(adaptation.variables)
        self.model.compile(optimizer)
        epoch = tf.Variable(0, dtype=tf.int64, trainable=False)
        rows = Rows(case.columns, case.labels)
        self.batches = training_batches(rows, case.batch_size, 0, epoch)
        file = directory / f"{case.name}.npz"
        saved, steps = (
            Checkpoint(file, optimizer, adaptation.changing),
            int(self.batches.cardinality()),
        )
        self.epochs = Epochs(self.model, Silent(), epoch, steps, 1, saved, Progress(), None)
        self.loop = Loop(self.model)

    def epoch(self) -> None:
        done = len(self.epochs.progress.history)
        self.epochs.run(self.loop, done + 1, self.batches, None)


def seconds(runner: Bare | Ours) -> tuple[float, float]:
    """Wall time and CPU time of an epoch (other processes do not change the latter)."""
    clock, processor = time.perf_counter(), time.process_time()
    runner.epoch()
    return time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print(
        f"{rounds} rounds, medians         bare   no metrics      Trainer    ratio bare  no metrics"
    )
    with tempfile.TemporaryDirectory() as directory:
        for case in (census(), objects()):
            runners = (Bare(case, True), Bare(case, False), Ours(case, Path(directory)))
            first = [seconds(r)[0] for r in runners]
            taken = [[seconds(r) for r in runners] for _ in range(rounds)]
            steps = -(-case.rows // case.batch_size)
            for kind, label in enumerate(("steps/s", "steps/CPU s")):
                speeds = [steps / statistics.median(r[i][kind] for r in taken) for i in range(3)]
                ratios = [statistics.median(r[i][kind] / r[2][kind] for r in taken) for i in (0, 1)]
                figures = "".join(f"{s:13.1f}" for s in speeds)
                print(f"{case.name:8} {label:11}{figures}{ratios[0]:14.2f}{ratios[1]:12.2f}")
            print(f"{case.name:8} first epoch{''.join(f'{t:11.1f} s' for t in first)}")


if __name__ == "__main__":
    main()
