"""Training on pairs moves classes apart, continues after a kill, and is told in the record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from components.stage import Context, Silent
from components.training.dataset import evaluation_batches
from components.training.pairs import start_heads, train_on_pairs
from components.training.rows import Rows, TrainingData, load_rows
from components.training.settings import Training
from components.training.steps import REPORTED
from components.training.trainer import Trainer
from models.balancing.loss_based.equal import Equal
from models.inputs.numeric import NumericFeature
from models.inputs.representation import REPRESENTATION
from models.lazy import keras, tf
from models.multitask.build import read_model
from models.multitask.model import MultitaskModel
from models.multitask.record import read_record
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.transfer.base import Pairs
from models.transfer.layers.pair_loss import pair_loss
from models.transfer.setfit import SetFit
from models.trunks.scratch import Scratch
from tests.trainer_data import COLUMNS_ONLY, TASKS, write_inputs

FEATURES = tuple(NumericFeature(name=n, column=n, mean=0, deviation=1) for n in "xy")
TARGETS = (
    TaskTarget(
        task=BinaryTask(name="a", label="a"),
        classes=("negative", "positive"),
        class_counts=(18, 6),
        labelled=24,
    ),
)
STEPS = 3 * REPORTED


class Heard(Silent):
    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.steps = 0

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None:
        self.steps = done


class Killed(Exception):
    pass


class Kills(Heard):
    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None:
        if done == 2 * REPORTED:
            raise Killed


def model_and_data() -> tuple[MultitaskModel, TrainingData]:
    keras.utils.set_random_seed(0)
    trunk = Scratch(width=8, dropout=0.2)
    model = MultitaskModel(FEATURES, TARGETS, trunk, Hard(), Equal())
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=24).astype(np.float32) for name in "xy"}
    rows = Rows(x, {"a": (x["x"] * x["y"] > 0).astype(np.float32)})
    return model, TrainingData(TARGETS, rows, None, np.arange(24))


def trained(scratch: Path, observer: Heard, rate: float = 0.01) -> MultitaskModel:
    model, data = model_and_data()
    pairs = Pairs(tuple(model.trunk.trainable_variables), rate, 12, STEPS)
    train_on_pairs(model, pairs, data, 1, Context(scratch, scratch, observer=observer))
    return model


def loss(model: MultitaskModel, data: TrainingData) -> float:
    vectors = model.encode({n: tf.constant(v) for n, v in data.train.features.items()})
    return float(pair_loss(vectors, data.train.labels["a"].astype(int)))


@pytest.mark.slow
def test_classes_move_apart_and_a_killed_run_gives_the_same_weights(tmp_path: Path) -> None:
    before, data = model_and_data()
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = trained(tmp_path / "whole", Heard())
    assert loss(whole, data) < 0.7 * loss(before, data)
    with pytest.raises(Killed):
        trained(tmp_path / "killed", Kills())
    resumed = trained(tmp_path / "killed", Heard())
    for v, expected in zip(resumed.trunk.weights, whole.trunk.weights, strict=True):
        np.testing.assert_array_equal(v, expected)
    done = Heard()
    again = trained(tmp_path / "killed", done)
    assert done.steps == 0
    np.testing.assert_array_equal(again.trunk.weights[0], whole.trunk.weights[0])


@pytest.mark.slow
def test_heads_train_on_what_the_trained_trunk_computes(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, {"train": 60, "val": 20}, COLUMNS_ONLY)
    heard, tasks = Heard(), (TASKS[0], TASKS[3])
    (tmp_path / "scratch").mkdir()
    trainer = Trainer(
        tasks=tasks,
        trunk=Scratch(width=8),
        transfer=SetFit(steps=12, rows=8, balanced=False),
        training=Training(epochs=2, batch_size=16),
    )
    context = Context(tmp_path / "output", tmp_path / "scratch", observer=heard)
    directory = trainer.run(inputs, context).model.path
    history = json.loads((directory / "history.json").read_text())
    assert history["trainable_parameters"] == history["parameters"]
    done = history["pairs"]
    assert (done["steps"], done["rows"], list(done["pairs"])) == (12, 96, ["bright"])
    assert done["pairs"]["bright"] == [12 * 12, 12 * 16]  # four rows of each class
    assert any("no pairs of task value" in warning for warning in heard.warnings)

    record = read_record(directory)
    model = read_model(directory, record)
    model.compile()
    rows = load_rows(inputs.examples, inputs.batches, record.features, tasks).val
    assert rows is not None
    loss = model.evaluate(evaluation_batches(rows, 20), verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(history["epochs"][-1]["val_loss"], rel=1e-4)


@pytest.mark.parametrize("balanced", [False, True])
def test_heads_start_as_logistic_regressions(balanced: bool) -> None:
    model, data = model_and_data()
    vectors = np.random.default_rng(1).normal(size=(24, 8)).astype(np.float32)
    labels = np.arange(24) % 4 == 0
    rows = Rows({REPRESENTATION: vectors}, {"a": labels.astype(np.float32)})
    few, heard = TrainingData(TARGETS, rows, None, data.rows), Heard()
    start_heads(model, Pairs((), 0.1, 8, 1, balanced), few, heard)
    assert any("18 negative, 6 positive" in w for w in heard.warnings) == balanced
    layer = next(la for la in model.towers.layers if isinstance(la, keras.layers.Dense))
    weight = "balanced" if balanced else None
    expected = LogisticRegression(C=1.0, class_weight=weight, tol=1e-8).fit(vectors, labels)
    np.testing.assert_allclose(np.asarray(layer.kernel)[:, 0], expected.coef_[0], atol=0.01)
    np.testing.assert_allclose(np.asarray(layer.bias), expected.intercept_, atol=0.01)
