"""The stage: experts of the rows that the Trainer sees, and a model that is served with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts import Batches, Examples, Preprocessing
from components.data.raw import raw_inputs
from components.errors import RootstockError
from components.experts.experts import Experts, ExpertsInputs
from components.experts.trees import TreesKind
from components.export.keras_model import load_keras
from components.stage import Context
from components.training.recipe import TrainerInputs
from components.training.rows import load_training_data
from components.training.settings import Training
from components.training.subset import Subset
from components.training.trainer import Trainer
from components.transform.batches import write_shard
from components.transform.preprocessing_file import save_preprocessing
from models.experts.margins import MARGINS
from models.experts.record import read_experts
from models.inputs.categorical import CategoricalFeature
from models.inputs.layers.preprocessing import Preprocessing as Preprocess
from models.inputs.numeric import NumericFeature
from models.lazy import tf
from models.tasks.binary import BinaryTask
from models.tasks.regression import RegressionTask

FEATURES = (
    NumericFeature(name="x", column="amount", mean=0.0, deviation=1.0),
    CategoricalFeature(name="colour", column="colour", vocabulary=("red", "green")),
)
TASKS = (
    BinaryTask(name="rich", label="rich", positive=("yes",)),
    RegressionTask(name="sum", label="sum"),
)


def split(path: Path, name: str, count: int, seed: int, flipped: int = -1) -> None:
    rng = np.random.default_rng(seed)
    amount, colour = rng.normal(size=count), rng.choice(["red", "green"], count)
    rich = np.abs(amount) + (colour == "red") + 0.3 * rng.normal(size=count) > 1.2
    if flipped >= 0:
        rich[flipped] = ~rich[flipped]
    table = pa.table(
        {
            "amount": amount.astype(np.float32),
            "colour": colour,
            "rich": np.where(rich, "yes", "no"),
            "sum": np.abs(amount) + 0.1 * rng.normal(size=count),
        }
    )
    (path / "examples" / name).mkdir(parents=True)
    pq.write_table(table, path / "examples" / name / "part-00000.parquet")
    raw = {n: tf.constant(v) for n, v in raw_inputs(table, FEATURES).items()}
    columns = {n: v.numpy() for n, v in Preprocess(FEATURES)(raw).items()}
    (path / "batches" / name).mkdir(parents=True)
    write_shard(path / "batches" / name / "part-00000.arrow", columns, FEATURES)


def prepared(path: Path, flipped: int = -1) -> ExpertsInputs:
    split(path, "train", 300, 0, flipped)
    split(path, "val", 90, 1)
    (path / "preprocessing").mkdir()
    save_preprocessing(FEATURES, path / "preprocessing")
    return ExpertsInputs(
        Examples(path / "examples"),
        Preprocessing(path / "preprocessing"),
        Batches(path / "batches"),
    )


def fitted(stage: Experts, path: Path, flipped: int = -1) -> TrainerInputs:
    inputs = prepared(path, flipped)
    for name in ("output", "scratch"):
        (path / name).mkdir()
    made = stage.run(inputs, Context(path / "output", path / "scratch")).experts
    return TrainerInputs(inputs.examples, inputs.preprocessing, inputs.batches, experts=made)


def margins(inputs: TrainerInputs, subset: Subset | None = None) -> np.ndarray:
    return np.asarray(load_training_data(inputs, TASKS, subset)[1].train.features[MARGINS][:])


@pytest.mark.slow
def test_a_label_never_reaches_the_margin_of_its_row(tmp_path: Path) -> None:
    stage = Experts(tasks=TASKS)
    before = margins(fitted(stage, tmp_path / "a"))
    after = margins(fitted(stage, tmp_path / "b", flipped=7))
    np.testing.assert_array_equal(before[7], after[7])
    assert (before != after).any()


def test_experts_learn_from_the_rows_of_the_subset(tmp_path: Path) -> None:
    subset = Subset(rows=100)
    inputs = fitted(Experts(tasks=TASKS, kinds=("linear",), subset=subset), tmp_path)
    assert margins(inputs, subset).shape == (100, 2)


def test_too_few_rows_have_no_experts(tmp_path: Path) -> None:
    stage = Experts(tasks=TASKS, subset=Subset(rows=8))
    inputs = fitted(stage, tmp_path)
    assert inputs.experts is not None
    assert read_experts(inputs.experts.path) == ()
    _, data = load_training_data(inputs, TASKS, stage.subset)
    assert MARGINS not in data.train.features


@pytest.mark.slow
def test_the_served_model_holds_its_experts(tmp_path: Path) -> None:
    inputs = fitted(Experts(tasks=TASKS, kinds=("linear",)), tmp_path)
    for name in ("trained", "steps"):
        (tmp_path / name).mkdir()
    trainer = Trainer(tasks=TASKS, training=Training(epochs=2))
    context = Context(tmp_path / "trained", tmp_path / "steps")
    model = load_keras(trainer.run(inputs, context).model)
    assert model.experts is not None
    raw = raw_inputs(inputs.examples.read("val"), FEATURES)
    answers = {task: answer.numpy() for task, answer in model(raw).items()}
    one = {
        task: answer.numpy() for task, answer in model({n: v[:1] for n, v in raw.items()}).items()
    }
    _, data = load_training_data(inputs, TASKS, None)
    assert data.val is not None
    columns = {n: tf.constant(v[:]) for n, v in data.val.features.items()}
    with_margins = model.model.answers(columns)
    for task, answer in answers.items():
        np.testing.assert_allclose(answer, with_margins[task].numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(answer[:1], one[task], rtol=1e-5, atol=1e-6)
    known = data.val.labels["rich"]
    assert ((answers["rich"][:, 0] > 0.5) == known).mean() > 0.75  # the network had two epochs
    without = load_training_data(replace(inputs, experts=None), TASKS, None)[1]
    assert MARGINS not in without.train.features

    (tmp_path / "alone").mkdir()
    alone = Trainer(tasks=TASKS, last_word="experts")
    context = Context(tmp_path / "alone", tmp_path / "steps_alone")
    context.scratch.mkdir()
    model = load_keras(alone.run(inputs, context).model)
    before = {task: answer.numpy() for task, answer in model(raw).items()}
    for weight in model.model.trunk.weights:
        weight.assign(np.full(weight.shape, np.nan))
    for task, answer in model(raw).items():
        np.testing.assert_array_equal(answer.numpy(), before[task])
    assert ((before["rich"][:, 0] > 0.5) == known).mean() > 0.75


def test_experts_cannot_answer_alone_without_any(tmp_path: Path) -> None:
    inputs = fitted(Experts(tasks=TASKS, subset=Subset(rows=8)), tmp_path)
    for name in ("trained", "steps"):
        (tmp_path / name).mkdir()
    trainer = Trainer(tasks=TASKS, training=Training(subset=Subset(rows=8)), last_word="experts")
    with pytest.raises(RootstockError, match="last_word: stack"):
        trainer.run(inputs, Context(tmp_path / "trained", tmp_path / "steps"))


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TreesKind, "package", "no_such_library")
    with pytest.raises(
        RootstockError, match=r"trees: it needs no_such_library.*rootstock\[trees\]"
    ):
        fitted(Experts(tasks=TASKS, kinds=("trees",)), tmp_path / "named")
    inputs = fitted(Experts(tasks=TASKS), tmp_path / "auto")
    assert inputs.experts is not None
    assert {e.kind for e in read_experts(inputs.experts.path)} == {"linear"}
