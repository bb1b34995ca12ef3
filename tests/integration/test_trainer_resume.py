"""A training run that is killed and started again ends like one that never was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.stage import Context
from components.training.recipe import TrainerInputs
from components.training.settings import EarlyStopping, Training
from components.training.trainer import Trainer
from models.balancing.loss_based.uncertainty import Uncertainty
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.scratch import Scratch
from tests.trainer_data import COLUMNS_ONLY, TASKS, write_inputs

EPOCHS = 10
SIZES = {"train": 200, "val": 40}
TRAINER = Trainer(
    tasks=TASKS,
    trunk=Scratch(width=16, dropout=0.3, image=ResidualConvnet(widths=(8,))),
    balancing=Uncertainty(),
    training=Training(
        epochs=EPOCHS,
        batch_size=16,
        early_stopping=EarlyStopping(monitor="val_loss", patience=EPOCHS),
    ),
    seed=3,
)


def train(inputs: TrainerInputs, directory: Path, trainer: Trainer) -> None:
    """Run it, with a scratch directory that outlives a crash."""
    output = directory / f"output{len(list(directory.glob('output*')))}"
    output.mkdir(parents=True)
    (directory / "scratch").mkdir(exist_ok=True)
    trainer.run(inputs, Context(output, directory / "scratch"))


def outcome(directory: Path) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    """History without times, and weights, of the last attempt."""
    model = sorted(directory.glob("output*"))[-1] / "model"
    epochs = json.loads((model / "history.json").read_text())["epochs"]
    with np.load(model / "weights.npz") as arrays:
        weights = list(arrays.values())
    return [{k: v for k, v in e.items() if not k.endswith("seconds")} for e in epochs], weights


def with_average(**average: Any) -> Trainer:
    return replace(TRAINER, training=replace(TRAINER.training, **average))


TRAINERS = {
    "last": TRAINER,
    "ema": with_average(ema=0.9),
    "average_last": with_average(average_last=3),
    "schedule_free": with_average(optimizer="schedule_free_adamw"),
}


@pytest.mark.parametrize(
    "name", ["last", *(pytest.param(n, marks=pytest.mark.slow) for n in TRAINERS if n != "last")]
)
def test_a_killed_training_gives_the_same_result_after_resuming(tmp_path: Path, name: str) -> None:
    inputs = write_inputs(tmp_path, SIZES)
    train(inputs, tmp_path / "whole", TRAINERS[name])

    code = (
        "import sys; from pathlib import Path;"
        "from tests.integration.test_trainer_resume import *;"
        "train(write_inputs(Path(sys.argv[2]), SIZES), Path(sys.argv[1]), TRAINERS[sys.argv[3]])"
    )
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", code, str(killed), str(tmp_path / "copy"), name]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = killed / "scratch" / "checkpoint.npz"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with np.load(checkpoint) as arrays:
        assert 1 <= len(json.loads(arrays["history"].tobytes())) < EPOCHS
    train(inputs, killed, TRAINERS[name])

    (history, weights), (expected, expected_weights) = outcome(killed), outcome(tmp_path / "whole")
    assert len(history) == EPOCHS
    for epoch, other in zip(history, expected, strict=True):
        assert epoch == pytest.approx(other, abs=1e-6, nan_ok=True)
    for weight, other in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(weight, other, atol=1e-6)


def test_a_run_killed_after_its_last_epoch_trains_no_further(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, {"train": 60, "val": 20}, COLUMNS_ONLY)
    small = replace(TRAINER, tasks=TASKS[:1])
    stopping = EarlyStopping(monitor="val_bright_auc", patience=1)
    for training in (
        Training(epochs=2, batch_size=16),
        Training(epochs=30, batch_size=16, early_stopping=stopping),
    ):
        trainer, directory = replace(small, training=training), tmp_path / str(training.epochs)
        train(inputs, directory, trainer)
        first = outcome(directory)
        train(inputs, directory, trainer)
        again = outcome(directory)
        assert len(again[0]) == len(first[0])
        assert again[0][-1] == pytest.approx(first[0][-1], nan_ok=True)
        for a, b in zip(again[1], first[1], strict=True):
            np.testing.assert_array_equal(a, b)
