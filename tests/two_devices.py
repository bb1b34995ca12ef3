"""Trains on one device and on two, in a process of its own: TensorFlow's devices are set up once.

`python -m tests.two_devices DIRECTORY` prints, for each balancing method of `METHODS`, how far
apart the weights and the figures of all epochs are, as JSON.
"""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from components.labels.encoding import labelled
from components.stage import Context
from components.training.checkpoint import TIMES
from components.training.fit import TrainingResult, train
from components.training.recipe import Recipe
from components.training.rows import load_training_data
from components.training.settings import Training
from models.balancing.base import Balancing
from models.balancing.gradient_based.graddrop import GradDrop
from models.lazy import tf
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.encoders.text_encoder import TextEncoder
from models.trunks.scratch import Scratch
from tests.shared import published
from tests.trainer_data import TASKS, write_inputs

METHODS: tuple[Balancing, ...] = (GradDrop(),)
TRUNK = Scratch(
    width=8, dropout=0, image=ResidualConvnet(widths=(4,)), text=TextEncoder(word_dropout=0)
)
TRAINING = Training(epochs=2, batch_size=24, clip_norm=0.5, ema=0.9, gradient_figures=True)


def trained(directory: Path, recipe: Recipe) -> TrainingResult:
    inputs = published(directory)
    features, data = load_training_data(inputs, recipe.tasks, None, recipe.trunk, ())
    assert not all(labelled(data.train.labels["bright"]))
    scratch = directory / "scratch"
    scratch.mkdir(exist_ok=True)
    context = Context(directory / "output", scratch)
    record = recipe.record(features, data.targets)
    result = train(record, data, None, recipe.training, recipe.seed, context)
    (scratch / "checkpoint.npz").unlink()
    return result


def apart(one: Any, other: Any) -> float:
    pairs = zip(one, other, strict=True)
    return max(float(np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0)) for a, b in pairs)


def main(directory: Path) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    write_inputs(directory, {"train": 50, "val": 20, "test": 10})  # 24 + 24 + 2 rows
    found = {}
    for method in METHODS:
        recipe = Recipe(tasks=TASKS, trunk=TRUNK, balancing=method, training=TRAINING)
        one = trained(directory, recipe)
        both = trained(directory, replace(recipe, training=replace(TRAINING, devices="all")))
        figures = [
            [epoch[n] for epoch in result.history for n in sorted(epoch.keys() - set(TIMES))]
            for result in (one, both)
        ]
        names = [sorted(e.keys() - set(TIMES)) for e in one.history + both.history]
        assert all(n == names[0] for n in names)
        found[method.name] = {
            "weights": apart(one.model.weights, both.model.weights),
            "figures": float(np.nanmax(np.abs(np.subtract(*figures)))),
        }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
