"""Every transfer mode through the Trainer: interrupted, resumed, exported, read again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import Examples
from components.errors import RootstockError
from components.export.keras_model import load_keras
from components.stage import Context, Silent
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.training.checkpoint import TIMES
from components.training.fit import TrainingResult, train
from components.training.recipe import TrainerInputs
from components.training.rows import load_rows
from components.training.settings import EarlyStopping, Training
from components.training.trainer import Trainer
from components.transform.preprocessing_file import load_preprocessing
from components.transform.transform import Transform, TransformInputs
from models.discovery import methods
from models.multitask.record import ModelRecord
from models.transfer.base import Transfer
from models.transfer.fine_tune import FineTune
from models.transfer.frozen import Frozen
from models.transfer.gradual import Gradual
from models.transfer.linear_then_fine_tune import LinearThenFineTune
from models.transfer.lora import Lora
from models.trunks.base import Trunk
from models.trunks.keras_hub import KerasHub
from models.trunks.tf_hub import TfHub
from tests.integration.test_pretrained_trunks import INPUTS, TASKS, answers, context, examples
from tests.pretrained_files import bert_modules, image_module, text_module, text_preset
from tests.trainer_data import FEATURES, write_inputs
from tests.trainer_data import TASKS as IMAGE_TASKS

TRAINING = Training(
    epochs=3, batch_size=16, learning_rate=0.02, optimizer="adamw", weight_decay=0.01
)
MODES: dict[str, Transfer] = {n: cls() for n, cls in methods("models.transfer", Transfer).items()}
MODES["linear_then_fine_tune"] = LinearThenFineTune(head_epochs=1)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Examples:
    return examples(tmp_path_factory.mktemp("examples") / "examples")


@dataclass(frozen=True)
class Case:
    trunk: Trunk
    inputs: TrainerInputs


@pytest.fixture(scope="module")
def bert(given: Examples, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A trunk made of Keras layers."""
    directory = tmp_path_factory.mktemp("bert")
    text_preset(directory / "files", layers=1)
    trunk = KerasHub(preset=str(directory / "files"), length=8)
    return Case(trunk, prepared(trunk, given, directory))


@pytest.fixture(scope="module")
def module(given: Examples, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A reusable SavedModel."""
    files = tmp_path_factory.mktemp("module")
    bert_modules(files)
    trunk = TfHub(handle=str(files / "encoder"), preprocess=str(files / "preprocess"))
    return Case(trunk, prepared(trunk, given, files))


def prepared(trunk: Trunk, given: Examples, directory: Path) -> TrainerInputs:
    statistics = StatisticsGen(images=(), texts=("text",)).run(
        StatisticsGenInputs(given), context(directory / "statistics")
    )
    done = Transform(inputs=INPUTS, reading=trunk.reading()).run(
        TransformInputs(given, statistics.statistics), context(directory / "transform")
    )
    return TrainerInputs(given, done.preprocessing, done.batches)


class Interrupted(Exception):
    pass


class Interrupting(Silent):
    """Stops the training in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if step == self.epoch:
            raise Interrupted


def fitted(trainer: Trainer, inputs: TrainerInputs, directory: Path) -> TrainingResult:
    """The model that a Trainer would export."""
    features = load_preprocessing(inputs.preprocessing)
    splits = load_rows(inputs.examples, inputs.batches, features, trainer.tasks)
    record = ModelRecord(
        features=features,
        targets=splits.targets,
        trunk=trainer.trunk,
        sharing=trainer.sharing,
        balancing=trainer.balancing,
    )
    return train(
        record, splits, trainer.transfer, trainer.training, trainer.seed, context(directory)
    )


def figures(epochs: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{k: v for k, v in e.items() if k not in TIMES} for e in epochs]


@pytest.mark.parametrize(
    ("source", "mode"),
    [
        ("bert", "frozen"),
        ("bert", "gradual"),
        ("bert", "lora"),
        ("module", "fine_tune"),
        ("module", "l2_sp"),
        ("module", "layer_decay"),
        ("module", "linear_then_fine_tune"),
    ],
)
def test_interrupted_resumed_exported_and_read_again(
    source: str, mode: str, given: Examples, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(source)
    trainer = Trainer(
        tasks=TASKS, trunk=case.trunk, transfer=MODES[mode], training=TRAINING, seed=1
    )
    whole = fitted(trainer, case.inputs, tmp_path / "whole")
    stopped = context(tmp_path / "stopped")
    with pytest.raises(Interrupted):
        trainer.run(case.inputs, replace(stopped, observer=Interrupting(epoch=1)))
    (tmp_path / "again").mkdir()
    model = trainer.run(case.inputs, Context(tmp_path / "again", stopped.scratch)).model

    resumed = json.loads((model.path / "history.json").read_text())["epochs"]
    for epoch, expected in zip(figures(resumed), figures(whole.history), strict=True):
        assert epoch == pytest.approx(expected, abs=1e-6, nan_ok=True)
    read = load_keras(model)
    for weight, expected in zip(read.model.weights, whole.model.weights, strict=True):
        np.testing.assert_allclose(weight, expected, atol=1e-6)
    in_keras, served = answers(model, given)
    np.testing.assert_allclose(served, in_keras, atol=1e-5)

    start = case.trunk.build(read.record.features)
    moved = [
        not np.array_equal(a, b)
        for a, b in zip(start.get_weights(), read.model.trunk.get_weights(), strict=True)
    ]
    assert any(moved) != (mode == "frozen")


@pytest.mark.parametrize("mode", ["lora", "bias_only"])
def test_modes_for_keras_layers_refuse_a_tf_hub_module(
    mode: str, module: Case, tmp_path: Path
) -> None:
    trainer = Trainer(tasks=TASKS, trunk=module.trunk, transfer=MODES[mode], training=TRAINING)
    with pytest.raises(RootstockError, match=mode):
        fitted(trainer, module.inputs, tmp_path)


def test_regularisation_losses_are_part_of_the_loss(tmp_path: Path) -> None:
    """The objective of a step is the tasks' loss and what a module and L2-SP add to it."""
    image_module(tmp_path / "module", channels=3)
    trunk = TfHub(handle=str(tmp_path / "module"), side=4)
    inputs = write_inputs(tmp_path, {"train": 64}, (FEATURES[0],))
    for transfer, adds in ((FineTune(), True), (Frozen(), False)):
        training = replace(TRAINING, epochs=1, batch_size=64)
        trainer = Trainer(tasks=IMAGE_TASKS[:1], trunk=trunk, transfer=transfer, training=training)
        epoch = fitted(trainer, inputs, tmp_path / transfer.name).history[0]
        kernel = trunk.build(load_preprocessing(inputs.preprocessing)).weights[0]
        penalty = 0.01 * float(np.square(kernel).sum()) if adds else 0.0
        assert epoch["objective"] - epoch["loss"] == pytest.approx(penalty, rel=1e-4, abs=1e-6)


def test_early_stopping_waits_for_the_last_phase(module: Case, tmp_path: Path) -> None:
    stopping = EarlyStopping(monitor="val_loss", patience=1)
    training = replace(TRAINING, epochs=6, learning_rate=1e-9, early_stopping=stopping)
    transfer = LinearThenFineTune(head_epochs=4)
    late = Trainer(tasks=TASKS, trunk=module.trunk, transfer=transfer, training=training)
    assert len(fitted(late, module.inputs, tmp_path).history) >= 5


def test_lora_lists_the_layers_if_a_target_is_unknown(bert: Case, tmp_path: Path) -> None:
    lora = Lora(targets=("nothing",))
    trainer = Trainer(tasks=TASKS, trunk=bert.trunk, transfer=lora, training=TRAINING)
    with pytest.raises(RootstockError, match=r"'nothing' names no layer .*EinsumDense: .*query"):
        fitted(trainer, bert.inputs, tmp_path)


def test_a_warning_names_phases_that_are_never_reached(module: Case, tmp_path: Path) -> None:
    messages: list[str] = []

    class Listening(Silent):
        def warn(self, message: str) -> None:
            messages.append(message)

    transfer = Gradual(head_epochs=99)
    trainer = Trainer(tasks=TASKS, trunk=module.trunk, transfer=transfer, training=TRAINING)
    trainer.run(module.inputs, replace(context(tmp_path), observer=Listening()))
    phases, last = messages
    assert "training.epochs ends before 2 of the 3 phases" in phases
    assert "The best epoch by val_loss is the last" in last


def test_a_module_that_cannot_train_can_only_be_frozen(given: Examples, tmp_path: Path) -> None:
    text_module(tmp_path / "module")
    trunk = TfHub(handle=str(tmp_path / "module"), signature="serving_default")
    inputs = prepared(trunk, given, tmp_path)
    tuned = Trainer(tasks=TASKS, trunk=trunk, transfer=FineTune(), training=TRAINING)
    with pytest.raises(RootstockError, match=r"signature 'serving_default'.*frozen"):
        fitted(tuned, inputs, tmp_path / "tuned")
    frozen = replace(tuned, transfer=Frozen())
    model = frozen.run(inputs, context(tmp_path / "frozen")).model
    in_keras, served = answers(model, given)
    np.testing.assert_allclose(served, in_keras, atol=1e-5)
