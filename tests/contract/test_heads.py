"""The contract of heads, above all that each task learns from its own labels only."""

from __future__ import annotations

import numpy as np
import pytest

from models.balancing.loss_based.equal import Equal
from models.balancing.loss_based.uncertainty import Uncertainty
from models.inputs.numeric import NumericFeature
from models.lazy import keras, tf
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.count import CountTask
from models.tasks.heads.head import head_for
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask
from models.trunks.scratch import Scratch

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
ROWS = 96
FEATURES = (NumericFeature(name="x", column="x", mean=0, deviation=1),)
X = {"x": RNG.normal(size=ROWS).astype(np.float32)}
TARGETS = (
    TaskTarget(task=BinaryTask(name="sign", label="l", weight=2.0)),
    TaskTarget(task=BinaryTask(name="far", label="l")),
    TaskTarget(task=MulticlassTask(name="third", label="l"), classes=("a", "b", "c")),
    TaskTarget(task=MultilabelTask(name="flags", label="l"), classes=("a", "b")),
    TaskTarget(task=RegressionTask(name="value", label="l"), mean=1.0, deviation=2.0),
    TaskTarget(task=RegressionTask(name="cube", label="l", loss="huber"), deviation=3.0),
)
NAMES = [t.name for t in TARGETS]


def labels() -> dict[str, np.ndarray]:
    x = X["x"]
    found = {
        "sign": (x > 0).astype(np.float32),
        "far": (abs(x) > 1).astype(np.float32),
        "third": np.digitize(x, [-0.5, 0.5]).astype(np.int32),
        "flags": np.stack([x > 1, x < 0.3], 1).astype(np.float32),
        "value": 2 * x + 1,
        "cube": x**3,
    }
    for name in ("far", "cube"):
        found[name][::3] = np.nan
    return found


def model() -> MultitaskModel:
    keras.utils.set_random_seed(0)
    made = MultitaskModel(FEATURES, TARGETS, Scratch(width=16, dropout=0), Hard(), Equal())
    made.compile(keras.optimizers.SGD(0.1))
    return made


def evaluated(made: MultitaskModel, given: dict[str, np.ndarray]) -> dict[str, float]:
    data = tf.data.Dataset.from_tensor_slices((X, given)).batch(40)
    found: dict[str, float] = made.evaluate(data, verbose=0, return_dict=True)
    return found


@pytest.fixture(scope="module")
def shared_model() -> MultitaskModel:
    return model()


@pytest.mark.parametrize(
    "target",
    [
        *TARGETS,
        TaskTarget(task=CountTask(name="count", label="l")),
        TaskTarget(task=RegressionTask(name="log", label="l", log=True), mean=1.0, deviation=2.0),
    ],
    ids=lambda target: target.name,
)
def test_raw_outputs_of_an_answer_have_that_answer(target: TaskTarget) -> None:
    head = head_for(target)
    outputs = RNG.normal(0, 2, (20, head.units)).astype(np.float32)
    answer = head.answer(outputs)
    np.testing.assert_allclose(head.answer(head.raw(answer)), answer, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_other_labels_of_one_task_change_only_its_metrics(
    shared_model: MultitaskModel, name: str
) -> None:
    """If heads were mixed up, another task's metrics would change."""
    before = evaluated(shared_model, labels())
    after = evaluated(shared_model, labels() | {name: RNG.permutation(labels()[name])})
    moved = {key for key, value in after.items() if value != before[key]}
    own = {key for key in after if key.rpartition("_")[0] == name}
    assert own
    assert f"{name}_loss" in moved
    assert moved <= own | {"loss"}


@pytest.mark.parametrize("name", NAMES)
def test_training_one_task_changes_no_other_head(name: str) -> None:
    missing = {"third": np.int32(-1)}
    others = {n: np.full_like(v, missing.get(n, np.nan)) for n, v in labels().items() if n != name}
    made = model()
    before = {v.path: v.numpy() for v in made.towers.variables}
    data = tf.data.Dataset.from_tensor_slices((X, labels() | others)).batch(ROWS)
    history = made.fit(data, epochs=1, verbose=0, shuffle=False).history
    moved = {v.path for v in made.towers.variables if np.any(v.numpy() != before[v.path])}
    assert {path.partition(".head")[0] for path in moved} == {name}
    assert np.isfinite(history["loss"][0])
    for other in others:
        assert np.isnan(history[f"{other}_loss"][0])


def test_figures_do_not_depend_on_the_batches(shared_model: MultitaskModel) -> None:
    """Losses and metrics are those of all labelled rows, however the rows are batched."""
    data = tf.data.Dataset.from_tensor_slices((X, labels())).batch(7)
    small = shared_model.evaluate(data, verbose=0, return_dict=True)
    assert small == pytest.approx(evaluated(shared_model, labels()), rel=1e-5)


def test_the_loss_is_the_weighted_sum_of_the_tasks(shared_model: MultitaskModel) -> None:
    found = evaluated(shared_model, labels())
    expected = sum(t.task.weight * found[f"{t.name}_loss"] for t in TARGETS)
    assert found["loss"] == pytest.approx(expected)


def test_training_logs_every_figure_and_learns() -> None:
    keras.utils.set_random_seed(0)
    trunk = Scratch(width=16, dropout=0)
    made = MultitaskModel(FEATURES, TARGETS, trunk, Hard(), Uncertainty())
    made.compile(keras.optimizers.Adam(0.01))
    data = tf.data.Dataset.from_tensor_slices((X, labels())).batch(32)
    fitted = made.fit(data, validation_data=data, epochs=40, verbose=0, shuffle=False)
    last = {name: values[-1] for name, values in fitted.history.items()}
    for head in made.heads:
        name = head.target.name
        for figure in ("loss", *head.directions):
            assert f"{name}_{figure}" in last
            assert f"val_{name}_{figure}" in last
        assert last[f"{name}_weight"] > 0
        assert f"val_{name}_weight" not in last
    assert last["val_sign_auc"] > 0.98
    assert last["val_third_accuracy"] > 0.9
    assert last["val_flags_auc"] > 0.98
    assert last["val_value_rmse"] < 0.3
    assert np.any(made.balancing_variables[0].numpy() != 0)
    answers = made.answers({n: v[:5] for n, v in X.items()})
    assert {n: tuple(a.shape) for n, a in answers.items()} == {
        h.target.name: (5, h.units) for h in made.heads
    }
    np.testing.assert_allclose(np.sum(answers["third"], 1), 1, rtol=1e-5)
    np.testing.assert_allclose(answers["value"][:, 0], labels()["value"][:5], atol=0.8)
    assert 0 <= np.min(answers["far"]) <= np.max(answers["far"]) <= 1
