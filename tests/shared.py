"""What several test files need and is slow to make: it is made once for all workers of a session.

Workers of pytest-xdist share a store. Whoever comes first trains; the others find the result.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.artifacts import Batches, Examples, Preprocessing, TrainedModel
from components.data.digests import digest_tree
from components.training.recipe import Recipe, TrainerInputs
from components.training.settings import Training
from components.training.trainer import Trainer
from models.balancing.loss_based.uncertainty import Uncertainty
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.scratch import Scratch
from pipeline.runner import Runner
from pipeline.store.locks import locked
from pipeline.store.store import Store
from tests.trainer_data import TASKS, write_inputs

SIZES = {"train": 150, "val": 40, "test": 80}
SMALL = Scratch(width=16, image=ResidualConvnet(widths=(8,)))
RECIPE = Recipe(
    tasks=TASKS,
    trunk=SMALL,
    balancing=Uncertainty(),
    training=Training(epochs=16, batch_size=32, learning_rate=0.02),
)


@dataclass(frozen=True)
class Trained:
    """A model of every kind of input and task, and the data that it was trained on."""

    inputs: TrainerInputs
    model: TrainedModel


@contextmanager
def shared_directory(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """One directory for all workers of a session; the others wait while one is in here."""
    base = factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with locked(root / f"{name}.lock", wait=True):
        (root / name).mkdir(exist_ok=True)
        yield root / name


def trained(factory: pytest.TempPathFactory) -> Trained:
    """The model of `RECIPE`."""
    with shared_directory(factory, "trained") as directory:
        data = directory / "data"
        if not data.exists():
            write_inputs(directory / "new", SIZES)
            shutil.move(directory / "new", data)
        inputs = published(data)
        with Runner(Store(directory / "store")) as run:
            return Trained(inputs, run(Trainer.of(RECIPE), inputs).model)


def published(data: Path) -> TrainerInputs:
    """What `write_inputs` wrote there, with digests."""
    return TrainerInputs(
        Examples(data / "examples", digest_tree(data / "examples")),
        Preprocessing(data / "preprocessing", digest_tree(data / "preprocessing")),
        Batches(data / "batches", digest_tree(data / "batches")),
    )
