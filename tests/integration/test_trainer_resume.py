"""A training run that is killed and started again ends like one that never was."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.stage import Context, Observer, Silent
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


def train(
    inputs: TrainerInputs, directory: Path, trainer: Trainer, observer: Observer | None = None
) -> None:
    """Run it, with a scratch directory that outlives a crash."""
    output = directory / f"output{len(list(directory.glob('output*')))}"
    output.mkdir(parents=True)
    (directory / "scratch").mkdir(exist_ok=True)
    observer = observer or Silent()
    trainer.run(inputs, Context(output, directory / "scratch", observer=observer))


def outcome(directory: Path) -> tuple[list[dict[str, float]], list[np.ndarray]]:
    """History without times, and weights, of the last attempt."""
    model = sorted(directory.glob("output*"))[-1] / "model"
    epochs = json.loads((model / "history.json").read_text())["epochs"]
    with np.load(model / "weights.npz") as arrays:
        weights = list(arrays.values())
    return [{k: v for k, v in e.items() if not k.endswith("seconds")} for e in epochs], weights


def assert_same_outcome(directory: Path, expected: Path) -> None:
    (history, weights), (whole, whole_weights) = outcome(directory), outcome(expected)
    assert len(history) == EPOCHS
    for epoch, other in zip(history, whole, strict=True):
        assert epoch == pytest.approx(other, abs=1e-6, nan_ok=True)
    for weight, other in zip(weights, whole_weights, strict=True):
        np.testing.assert_allclose(weight, other, atol=1e-6)


def test_a_killed_training_gives_the_same_result_after_resuming(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, SIZES)
    train(inputs, tmp_path / "whole", TRAINER)

    code = (
        "import sys; from pathlib import Path;"
        "from tests.integration.test_trainer_resume import *;"
        "train(write_inputs(Path(sys.argv[2]), SIZES), Path(sys.argv[1]), TRAINER)"
    )
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", code, str(killed), str(tmp_path / "copy")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = killed / "scratch" / "checkpoint.npz"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    with np.load(checkpoint) as arrays:
        assert 1 <= len(json.loads(arrays["history"].tobytes())) < EPOCHS
    train(inputs, killed, TRAINER)
    assert_same_outcome(killed, tmp_path / "whole")


class Failed(Exception):
    pass


class Failing(Silent):
    """Ends training without warning, at the end of the sixth epoch."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if step == 5:
            raise Failed


@pytest.mark.parametrize(
    "average",
    [{"ema": 0.9}, {"average_last": 3}, {"optimizer": "schedule_free_adamw"}],
    ids=lambda average: "-".join(map(str, average.values())),
)
def test_an_average_of_weights_is_part_of_what_is_resumed(
    tmp_path: Path, average: dict[str, Any]
) -> None:
    inputs = write_inputs(tmp_path, {"train": 60, "val": 20}, COLUMNS_ONLY)
    training = replace(TRAINER.training, gradient_figures=False, **average)
    trainer = replace(TRAINER, tasks=(TASKS[1], TASKS[3]), training=training)
    train(inputs, tmp_path / "whole", trainer)
    stopped = tmp_path / "stopped"
    with pytest.raises(Failed):
        train(inputs, stopped, trainer, Failing())
    with np.load(stopped / "scratch" / "checkpoint.npz") as arrays:
        assert 1 <= len(json.loads(arrays["history"].tobytes())) <= 5
    train(inputs, stopped, trainer)
    assert_same_outcome(stopped, tmp_path / "whole")


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
