"""Trials and baselines on a small data set with every kind of input and task."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from components.artifacts import Batches, Examples
from components.data.raw import raw_inputs
from components.evaluation.metrics import family_of, measure
from components.experiments.baseline import Baseline, BaselineInputs, classical, features
from components.experiments.trial import Trial
from components.experiments.trial_result import REPLICATES, TrialFigures, load_figures
from components.export.keras_model import load_keras
from components.labels.base import of_kind
from components.labels.encoding import encode, resolve
from components.stage import Context
from components.training.recipe import Recipe, TrainerInputs
from components.training.settings import Training
from components.training.subset import Subset, chosen_rows
from components.transform.embed import Embed, EmbedInputs
from models.inputs.base import Input
from models.inputs.categorical import CategoricalInput
from models.inputs.image import ImageInput
from models.inputs.layer import LayerInput
from models.inputs.numeric import NumericInput
from models.inputs.text import TextInput
from models.tasks.base import Task
from models.transfer.frozen import Frozen
from tests.shared import RECIPE, SMALL, Trained
from tests.trainer_data import FEATURES, TASKS

pytestmark = pytest.mark.slow

INPUTS: tuple[Input, ...] = (
    ImageInput(name="image", column="photo", height=4, width=4, channels=1),
    TextInput(name="note", column="note", length=4),
    NumericInput(name="x", column="x"),
    CategoricalInput(name="colour", column="colour"),
)


@pytest.fixture(scope="module")
def inputs(shared_model: Trained) -> TrainerInputs:
    return shared_model.inputs


def context(directory: Path) -> Context:
    for name in ("output", "scratch"):
        (directory / name).mkdir(parents=True)
    return Context(directory / "output", directory / "scratch")


def recipe(tasks: tuple[Task, ...] = TASKS, **options: object) -> Recipe:
    settings: dict[str, object] = {"epochs": 3, "batch_size": 32, "learning_rate": 0.01}
    return Recipe(tasks=tasks, trunk=SMALL, training=Training(**settings | options))  # type: ignore[arg-type]


def tried(inputs: TrainerInputs, directory: Path, trial: Trial) -> TrialFigures:
    return load_figures(trial.run(inputs, context(directory)).result)


def test_a_trial_has_the_figures_of_the_model_that_the_trainer_makes(
    shared_model: Trained, tmp_path: Path
) -> None:
    inputs = shared_model.inputs
    found = tried(inputs, tmp_path, Trial(recipe=RECIPE, drawn_by=TASKS[0]))
    model = load_keras(shared_model.model)
    table = inputs.examples.read("test")
    answers = model(raw_inputs(table, FEATURES))
    for target in model.record.targets:
        labels = encode(target, table.column(target.task.label), len(table))
        expected = measure(target, labels, np.asarray(answers[target.name])).values
        tested = found.tasks[target.name].test
        assert {m for m, v in tested.items() if v is None} == {
            m for m, v in expected.items() if v is None
        }
        defined = {m: v for m, v in expected.items() if v is not None}
        assert {m: tested[m] for m in defined} == pytest.approx(defined, rel=1e-4)
    assert found.costs.steps == 16 * 5
    assert found.costs.parameters == model.model.count_params()
    assert len(found.history) == 16


def test_the_task_that_draws_rows_has_the_settings_of_the_arm(inputs: TrainerInputs) -> None:
    own = replace(TASKS[0], weight=2.0)
    _, data = Trial(recipe=recipe((own,)), drawn_by=TASKS[0])._data(inputs)
    assert [t.task for t in data.targets] == [own]


def test_of_an_epoch_that_time_ended_only_its_own_steps_count(
    inputs: TrainerInputs, tmp_path: Path
) -> None:
    own = recipe(TASKS[:1], epochs=None, seconds=1e-9)
    costs = tried(inputs, tmp_path, Trial(recipe=own, drawn_by=TASKS[0])).costs
    assert (costs.epochs, costs.steps) == (1, 1)


def test_a_blind_training_sees_no_validation_rows_but_they_are_measured(
    inputs: TrainerInputs, tmp_path: Path
) -> None:
    own = recipe(TASKS[:1], epochs=1)
    seeing, blind = (
        tried(inputs, tmp_path / str(b), Trial(recipe=own, drawn_by=TASKS[0], blind=b))
        for b in (False, True)
    )
    assert any(name.startswith("val_") for name in seeing.history[0])
    assert not any(name.startswith("val_") for name in blind.history[0])
    name = TASKS[0].name
    assert blind.tasks[name].val.keys() == seeing.tasks[name].val.keys() != set()


def trained_on(path: Path, copy: Path) -> Path:
    """A copy whose test split has the training rows."""
    shutil.copytree(path, copy)
    shutil.rmtree(copy / "test")
    shutil.copytree(path / "train", copy / "test")
    return copy


def test_test_rows_pass_through_a_frozen_trunk_once(inputs: TrainerInputs, tmp_path: Path) -> None:
    read = EmbedInputs(inputs.preprocessing, inputs.batches)
    of_train, of_test = (
        Embed(trunk=SMALL, splits=splits).run(read, context(tmp_path / splits[0])).embeddings
        for splits in (("train", "val"), ("test",))
    )
    # with training rows as test rows, the figures of both are equal if the trunk is the same
    shutil.rmtree(of_test.path / "test")
    shutil.copytree(of_train.path / "train", of_test.path / "test")
    same = replace(
        inputs,
        examples=Examples(trained_on(inputs.examples.path, tmp_path / "examples")),
        batches=Batches(trained_on(inputs.batches.path, tmp_path / "batches")),
        embeddings=of_train,
        test_embeddings=of_test,
    )
    frozen = replace(recipe(TASKS[:1]), transfer=Frozen())
    found = tried(same, tmp_path / "t", Trial(recipe=frozen, drawn_by=TASKS[0]))
    figures = found.tasks[TASKS[0].name]
    assert figures.test == pytest.approx(figures.train, rel=1e-5)


def test_resampled_figures_spread_about_the_plain_one(
    inputs: TrainerInputs, tmp_path: Path
) -> None:
    found = tried(inputs, tmp_path, Trial(recipe=recipe(TASKS[1:2]), drawn_by=TASKS[1]))
    figures = found.tasks["tint"]
    samples = np.array(figures.resampled["log_loss"], np.float64)
    plain = figures.test["log_loss"]
    assert plain is not None
    assert len(samples) == REPLICATES
    assert abs(samples.mean() - plain) < 3 * samples.std() / np.sqrt(REPLICATES)


def test_models_of_different_tasks_learn_from_the_same_rows(
    inputs: TrainerInputs, tmp_path: Path
) -> None:
    subset = Subset(rows=40, seed=3)
    drawn = [
        Trial(recipe=recipe((task,), subset=subset), drawn_by=TASKS[0])._data(inputs)[1]
        for task in TASKS
    ]
    rows = [data.train.features["x"] for data in drawn]
    assert all(np.array_equal(rows[0], other) for other in rows[1:])
    assert [list(data.train.labels) for data in drawn] == [[t.name] for t in TASKS]


def test_shuffled_labels_are_those_of_the_same_rows_in_other_places(inputs: TrainerInputs) -> None:
    plain, shuffled = (
        Trial(recipe=recipe(), drawn_by=TASKS[0], shuffled=names)._data(inputs)[1].train.labels
        for names in ((), ("tint",))
    )
    assert not np.array_equal(plain["tint"], shuffled["tint"])
    assert np.array_equal(np.sort(plain["tint"]), np.sort(shuffled["tint"]))
    assert np.array_equal(plain["bright"], shuffled["bright"], equal_nan=True)


def baseline(
    model: str, examples: Examples, directory: Path, subset: Subset | None = None
) -> TrialFigures:
    stage = Baseline(
        model=model,  # type: ignore[arg-type]
        inputs=INPUTS,
        tasks=TASKS,
        drawn_by=TASKS[0],
        subset=subset,
        metrics={t.name: family_of(t.kind).names[0] for t in TASKS},
    )
    return load_figures(stage.run(BaselineInputs(examples), context(directory)).result)


def test_the_majority_knows_shares_and_the_classical_model_the_inputs(
    inputs: TrainerInputs, tmp_path: Path
) -> None:
    shares = baseline("majority", inputs.examples, tmp_path / "majority")
    classical = baseline("classical", inputs.examples, tmp_path / "classical")
    assert shares.tasks["bright"].test["auc"] == 0.5
    tint = inputs.examples.read("test").column("colour_label").to_pylist()
    seen = inputs.examples.read("train").column("colour_label").to_pylist()
    most = max(set(seen), key=seen.count)
    assert shares.tasks["tint"].test["accuracy"] == pytest.approx(tint.count(most) / len(tint))
    for task in TASKS:
        metric = family_of(task.kind).names[0]
        better, poor = (f.tasks[task.name].test[metric] for f in (classical, shares))
        assert better is not None
        assert poor is not None
        assert better < poor if metric == "mae" else better > poor


def test_a_class_that_a_subset_lacks_is_still_a_class(
    inputs: TrainerInputs, tmp_path: Path
) -> None:
    train = inputs.examples.read("train")
    of_one = next(
        seed
        for seed in range(100)
        if len(set(train.take(rows_of(train, seed)).column("colour_label").to_pylist())) == 1
        and None not in train.take(rows_of(train, seed)).column("bright").to_pylist()
    )
    found = baseline("classical", inputs.examples, tmp_path / "one", Subset(rows=2, seed=of_one))
    (colour,) = set(train.take(rows_of(train, of_one)).column("colour_label").to_pylist())
    test = inputs.examples.read("test").column("colour_label").to_pylist()
    accuracy = found.tasks["tint"].test["accuracy"]
    assert accuracy == pytest.approx(test.count(colour) / len(test))


def rows_of(train: pa.Table, seed: int) -> np.ndarray:
    target = resolve(TASKS[0], train.column("bright"))
    labels = encode(target, train.column("bright"), train.num_rows)
    return chosen_rows(Subset(rows=2, seed=seed), {target.name: labels}, (target,))


@pytest.mark.parametrize("values", [["A", "B", "C"], ["one two", "three", ""]])
def test_the_classical_model_reads_what_a_text_layer_reads(values: list[str]) -> None:
    given = LayerInput(name="g", column="g", module="m.py", layer="L", reads="text")
    table = pa.table({"g": values * 10})
    labels = np.tile([0, 1, 1], 10)
    frame = features((given,), table)
    model = classical((given,), of_kind("binary"), seed=0).fit(frame, labels)
    np.testing.assert_array_equal(model.predict(frame), labels)
