"""The Trainer on a small data set with every kind of input and task."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from components.artifacts import TrainedModel
from components.data.raw import raw_inputs
from components.errors import RootstockError
from components.evaluation.metrics import measure
from components.export.keras_model import load_keras
from components.stage import Context
from components.training.recipe import TrainerInputs
from components.training.settings import EarlyStopping, Training
from components.training.trainer import Trainer
from models.balancing.base import Balancer
from models.description import read_description
from models.lazy import keras
from models.model_files import RECORD, WEIGHTS
from models.multitask.record import read_record
from models.tasks.base import Task
from models.tasks.binary import BinaryTask
from tests.shared import RECIPE, SIZES, SMALL, Trained
from tests.trainer_data import COLUMNS_ONLY, FEATURES, TASKS, write_inputs

pytestmark = pytest.mark.slow


@dataclass
class Listener:
    """An observer that remembers."""

    steps: list[tuple[int, int | None, str]] = field(default_factory=list)
    epochs: dict[int, Mapping[str, float]] = field(default_factory=dict)
    figures: dict[str, float | int | str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def progress(self, done: int, total: int | None, unit: str, note: str = "") -> None:
        self.steps.append((done, total, unit))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self.epochs[step] = values

    def figure(self, name: str, value: float | int | str) -> None:
        self.figures[name] = value

    def warn(self, message: str) -> None:
        if "still improving" not in message:  # as in most short trainings
            raise AssertionError(message)
        self.warnings.append(message)


def context(directory: Path, observer: Listener | None = None) -> Context:
    output, scratch = directory / "output", directory / "scratch"
    output.mkdir(parents=True)
    scratch.mkdir(exist_ok=True)
    return Context(output, scratch, observer=observer or Listener())


def quick(tasks: tuple[Task, ...] = TASKS[:1], **options: object) -> Trainer:
    settings = {"epochs": 2, "batch_size": 32} | options
    return Trainer(tasks=tasks, trunk=SMALL, training=Training(**settings))  # type: ignore[arg-type]


def history(model: TrainedModel) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = json.loads((model.path / "history.json").read_text())
    return found


def loss_of_bright(model: TrainedModel, inputs: TrainerInputs) -> float:
    """The mean cross-entropy of the task `bright` on the validation rows that have its label."""
    rows = inputs.examples.read("val")
    rows = rows.filter(rows["bright"].is_valid())
    answers = load_keras(model)(raw_inputs(rows, COLUMNS_ONLY))["bright"].numpy()[:, 0]
    yes = np.array(rows["bright"].to_pylist()) == "yes"
    return float(-np.log(np.where(yes, answers, 1 - answers)).mean())


@dataclass(frozen=True)
class Run:
    model: TrainedModel
    told: Listener


@pytest.fixture(scope="module")
def trained(shared_model: Trained, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The shared model, trained again while someone listens."""
    directory, told = tmp_path_factory.mktemp("trained"), Listener()
    model = Trainer.of(RECIPE).run(shared_model.inputs, context(directory, told)).model
    return Run(model, told)


def test_it_learns_every_task(trained: Run) -> None:
    last = history(trained.model)["epochs"][-1]
    assert last["val_bright_auc"] > 0.95
    assert last["val_tint_accuracy"] > 0.95
    assert last["val_words_auc"] > 0.95
    assert last["val_value_rmse"] < 1.5  # the label's deviation is 3


def test_it_reports_steps_epochs_and_figures(trained: Run) -> None:
    steps = math.ceil(SIZES["train"] / 32)
    assert trained.told.steps[-1] == (16 * steps, 16 * steps, "steps")
    assert sorted(done for done, *_ in trained.told.steps) == [d for d, *_ in trained.told.steps]
    assert list(trained.told.epochs) == list(range(16))
    assert {"parameters", "best_epoch", "steps_per_second"} <= set(trained.told.figures)
    last = history(trained.model)["epochs"][-1]
    assert trained.told.figures["val_bright_auc"] == round(last["val_bright_auc"], 4)


def test_it_writes_what_rebuilds_the_model_and_its_history(trained: Run) -> None:
    files = {str(p.relative_to(trained.model.path)) for p in trained.model.path.rglob("*")}
    assert files == {RECORD, WEIGHTS, "history.json"}


def test_a_description_needs_no_tensorflow(trained: Run) -> None:
    description = read_description(trained.model.path)
    assert description.features == FEATURES
    assert [t.task for t in description.targets] == list(TASKS)
    assert description.targets[0].labelled == SIZES["train"] * 4 // 5
    code = (
        "import sys; from pathlib import Path;"
        "from models.description import read_description;"
        "import components.training.trainer;"
        "read_description(Path(sys.argv[1]));"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    run([sys.executable, "-c", code, str(trained.model.path)], check=True)


def test_the_same_run_gives_the_same_figures(trained: Run, shared_model: Trained) -> None:
    first, second = (history(m)["epochs"][-1] for m in (trained.model, shared_model.model))
    for name, value in first.items():
        if not name.endswith("seconds"):
            assert second[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


def test_early_stopping_keeps_the_best_epoch(tmp_path: Path) -> None:
    """At such a rate the loss jumps about, so that the best epoch is not the last."""
    stopping = EarlyStopping(monitor="val_bright_loss", patience=2)
    trainer = quick(epochs=30, learning_rate=0.1, schedule="constant", early_stopping=stopping)
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY)
    model = trainer.run(inputs, context(tmp_path)).model
    found = history(model)
    losses = [e["val_bright_loss"] for e in found["epochs"]]
    assert found["kept_epoch"] == found["best_epoch"] == int(np.argmin(losses))
    assert len(losses) == found["kept_epoch"] + 3 < 30  # type: ignore[operator]
    assert loss_of_bright(model, inputs) == pytest.approx(min(losses), rel=1e-4)


def test_training_ends_when_its_seconds_are_over(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY)
    model = quick(epochs=None, batch_size=8, seconds=1e-9).run(inputs, context(tmp_path)).model
    found = history(model)
    assert len(found["epochs"]) == 1
    assert found["kept_epoch"] == 0
    assert loss_of_bright(model, inputs) == pytest.approx(
        found["epochs"][0]["val_bright_loss"], rel=1e-4
    )


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw", "weight_decay": 0.01, "clip_norm": 1.0},
        {"optimizer": "sgd", "momentum": 0.5, "epochs": 3},
        {"mixed_precision": True, "warmup_fraction": 0.0},
        {"optimizer": "muon", "weight_decay": 0.01},
        {"optimizer": "lion", "learning_rate": 0.0003},
        {"optimizer": "schedule_free_adamw", "weight_decay": 0.01},
        {"average_last": 2},
        {"ema": 0.9, "mixed_precision": True, "xla": True},
        pytest.param({"xla": True}),
    ],
    ids=str,
)
def test_ways_to_train(tmp_path: Path, options: dict[str, object]) -> None:
    tasks = tuple(t for t in TASKS if t.name in ("bright", "value"))
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY)
    model = quick(tasks, **options).run(inputs, context(tmp_path)).model
    epochs = history(model)["epochs"]
    assert len(epochs) == options.get("epochs", 2)
    assert all(math.isfinite(e["val_loss"]) for e in epochs)
    weights = load_keras(model).model.weights
    assert {w.dtype for w in weights} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"


def test_a_training_without_settings_stops_when_it_no_longer_improves(tmp_path: Path) -> None:
    inputs, told = write_inputs(tmp_path, {"train": 60, "val": 200}, COLUMNS_ONLY), Listener()
    trainer = Trainer(tasks=TASKS[:1], trunk=SMALL)  # `bright` follows from nothing it sees
    model = trainer.run(inputs, context(tmp_path, told)).model
    found = json.loads((model.path / "history.json").read_text())
    used, epochs = found["training"], found["epochs"]
    assert len(epochs) * found["steps_per_epoch"] >= 500
    assert found["best_epoch"] < len(epochs) - 1 < used["epochs"] - 1
    assert (used["optimizer"], used["schedule"]) == ("adamw", "constant")
    assert used["batch_size"] == 32
    assert "32 rows a step" in str(told.figures["chosen"])
    assert not told.warnings
    assert loss_of_bright(model, inputs) == pytest.approx(
        epochs[found["best_epoch"]]["val_bright_loss"], rel=1e-4
    )


def test_a_best_epoch_that_is_the_last_is_a_warning(tmp_path: Path) -> None:
    inputs, told = write_inputs(tmp_path, SIZES), Listener()
    quick(TASKS[1:2]).run(inputs, context(tmp_path, told))
    assert [w.split(":")[0] for w in told.warnings] == [
        "The best epoch by val_loss is the last of 2"
    ]


@pytest.mark.parametrize("average", [{"ema": 0.8}, {"average_last": 3}], ids=str)
def test_the_average_is_what_is_validated_and_kept(
    tmp_path: Path, average: dict[str, object]
) -> None:
    """With and without early stopping, at a rate at which the last weights are worse."""
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY)
    settings = {"epochs": 6, "learning_rate": 0.05, "schedule": "constant"} | average
    for number, stopping in enumerate([None, EarlyStopping(patience=6)]):
        trainer = quick(early_stopping=stopping, **settings)
        model = trainer.run(inputs, context(tmp_path / str(number))).model
        found = history(model)
        kept = found["epochs"][found["kept_epoch"]]  # type: ignore[call-overload]
        assert loss_of_bright(model, inputs) == pytest.approx(kept["val_bright_loss"], rel=1e-4)


def test_without_validation_rows(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, {"train": 50}, COLUMNS_ONLY)
    model = quick().run(inputs, context(tmp_path)).model
    assert history(model)["best_epoch"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"early_stopping": EarlyStopping(monitor="val_bright_f1")},
            r"'val_bright_f1' is not a figure.*: val_loss, val_bright_loss, val_bright_auc, val_b",
        ),
        ({"learning_rate": 1e30, "optimizer": "sgd"}, "Training diverged: the loss of epoch"),
    ],
)
def test_problems_that_the_user_can_fix_are_explained(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY)
    with pytest.raises(RootstockError, match=message):
        quick(**options).run(inputs, context(tmp_path))


def test_early_stopping_needs_validation_rows(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, {"train": 50}, COLUMNS_ONLY)
    with pytest.raises(RootstockError, match="the val split is empty"):
        quick(early_stopping=EarlyStopping()).run(inputs, context(tmp_path))


def test_a_task_without_labels_is_refused(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY, drop=("bright",))
    with pytest.raises(RootstockError, match="'bright': no training row has a value in label col"):
        quick().run(inputs, context(tmp_path))


def test_class_weights_of_unknown_classes_are_refused(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY)
    task = BinaryTask(name="b", label="bright", positive=("yes",), class_weight={"yes": 2.0})
    with pytest.raises(RootstockError, match=r"tasks\.b\.class_weight: no class 'yes'"):
        quick((task,)).run(inputs, context(tmp_path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_decay": 0.1, "optimizer": "adam"}, "weight_decay needs another optimizer"),
        ({"ema": 0.9, "average_last": 2}, "two averages of the weights; choose one"),
        ({"optimizer": "schedule_free_adamw", "ema": 0.9}, "is an average itself"),
        (
            {"optimizer": "schedule_free_adamw", "schedule": "cosine"},
            "schedule_free_adamw needs `schedule: constant`",
        ),
        ({"group_by_length": True, "xla": True}, "group_by_length has no effect with `xla`"),
        (
            {"group_by_length": True, "sampling": {"name": "round_robin"}},
            "group_by_length needs `sampling: proportional`",
        ),
    ],
)
def test_what_would_be_ignored_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(Training).validate_python(settings)


def test_a_warning_says_that_grouping_by_length_saves_nothing(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY)
    with pytest.raises(AssertionError, match="group_by_length has no effect"):
        quick(group_by_length=True).run(inputs, context(tmp_path))


def test_what_a_balancing_method_notes_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Balancer, "notes", lambda self: ["weights were limited"])
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY)
    with pytest.raises(AssertionError, match="weights were limited"):
        quick().run(inputs, context(tmp_path))


def test_the_decision_and_the_calibration_are_in_the_record(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, SIZES, COLUMNS_ONLY)
    changes = {"decision": "f1", "calibration": "platt"}
    task = replace(TASKS[0], **changes)  # type: ignore[arg-type, type-var]
    observer = Listener()
    model = quick((task,)).run(inputs, context(tmp_path / "run", observer)).model
    (target,) = read_description(model.path).targets
    assert target.decision == pytest.approx(observer.figures["bright decision"], abs=1e-4)
    assert observer.figures["bright calibration"].startswith("platt, slope")
    assert read_record(model.path).calibrations["bright"].name == "platt"

    rows = inputs.examples.read("val")
    rows = rows.filter(rows["bright"].is_valid())
    answers = load_keras(model)(raw_inputs(rows, COLUMNS_ONLY))["bright"].numpy()
    yes = np.array(rows["bright"].to_pylist()) == "yes"
    f1 = measure(target, yes.astype(np.float32), answers).values
    assert f1["f1"] == pytest.approx(f1["best_f1"], abs=1e-6)
