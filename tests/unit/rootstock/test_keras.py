"""The layers on a user's own model."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import rootstock as rs
from models.calibration.base import Answered
from models.calibration.isotonic import Isotonic
from models.calibration.platt import Platt

RNG = np.random.default_rng(0)
X = RNG.normal(size=(64, 4)).astype("float32")
LABELS = {"sign": X[:, 0] > 0, "sum": X.sum(axis=1), "third": np.digitize(X[:, 1], [-0.4, 0.4])}
TASKS = {"sign": "binary", "sum": "regression", "third": 3}


def trunk() -> keras.Model:
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8, "relu", name=f"layer{i}") for i in range(2)]
    return keras.Sequential([keras.Input((4,)), *layers])


def data(**changes: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X, LABELS | changes)).batch(32)


@pytest.mark.slow
def test_it_learns_and_is_saved(tmp_path: Path) -> None:
    model = rs.keras.MultitaskModel(trunk(), TASKS, sharing="mmoe", balancing="pcgrad")
    model.compile(keras.optimizers.Adam(0.02))
    history = model.fit(data(), epochs=2, verbose=0).history
    assert history["sign_loss"][-1] < history["sign_loss"][0]
    assert {"third_accuracy", "sum_loss", "gradient_cosine"} <= history.keys()
    answers = model.predict(X, verbose=0)
    np.testing.assert_allclose(answers["third"].sum(axis=1), 1, rtol=1e-5)
    assert ((answers["sign"] >= 0) & (answers["sign"] <= 1)).all()
    model.to_keras().save(tmp_path / "a.keras")
    again = rs.keras.load(tmp_path / "a.keras").predict(X, verbose=0)
    for task, expected in answers.items():
        np.testing.assert_allclose(again[task], expected, atol=1e-6)


def test_a_calibrated_model_is_saved_with_its_calibrations(tmp_path: Path) -> None:
    rows = Answered(RNG.normal(size=(60, 3)), np.eye(3)[RNG.integers(0, 3, 60)], exclusive=True)
    one = Answered(rows.outputs[:, :1], rows.targets[:, :1], exclusive=False)
    model = rs.keras.MultitaskModel(trunk(), TASKS)
    before = model.answers({"input": X})
    model.calibrations = {"sign": Platt.fit(one), "third": Isotonic.fit(rows)}
    calibrated = model.to_keras()
    calibrated.save(tmp_path / "a.keras")
    for answers in (calibrated(X), rs.keras.load(tmp_path / "a.keras")(X)):
        for task, expected in model.answers({"input": X}).items():
            np.testing.assert_allclose(answers[task], expected, atol=1e-6)
            assert (np.abs(answers[task] - before[task]).max() > 0.01) == (task != "sum")


@pytest.mark.slow
def test_transfer_decides_which_weights_of_the_trunk_train() -> None:
    moved = {}
    for mode in ("frozen", {"name": "gradual", "epochs_per_group": 2}):
        own = trunk()
        before = [np.array(v) for v in own.weights]
        model = rs.keras.MultitaskModel(own, TASKS, transfer=mode)
        model.compile("adam")
        model.fit(data(), epochs=1, verbose=0)
        pairs = zip(before, own.weights, strict=True)
        moved[str(mode)[:6]] = [not np.array_equal(b, np.array(v)) for b, v in pairs]
    assert moved == {"frozen": [False] * 4, "{'name": [False, False, True, True]}


def test_a_row_without_a_label_counts_for_the_other_tasks() -> None:
    unknown = {"sign": np.full(64, np.nan, "float32"), "third": np.full(64, -1)}
    model = rs.keras.MultitaskModel(trunk(), TASKS)
    model.compile("adam")
    logs = model.evaluate(data(**unknown), return_dict=True, verbose=0)
    assert logs["sum_loss"] > 0
    assert not logs.get("sign_loss", 0) > 0
    np.testing.assert_allclose(logs["loss"], logs["sum_loss"], rtol=1e-5)


def test_a_missing_class_is_nan_or_minus_one() -> None:
    model = rs.keras.MultitaskModel(trunk(), TASKS)
    model.compile("adam")
    losses = []
    for missing in (np.nan, -1):
        half = {n: np.where(X[:, 3] > 0, LABELS[n], missing) for n in ("sign", "third")}
        losses.append(model.evaluate(data(**half), return_dict=True, verbose=0))
    assert losses[0] == losses[1]
    assert losses[0]["sign_loss"] > 0
    assert losses[0]["third_loss"] > 0


def test_labels_that_are_no_class_and_weights_of_rows_are_refused() -> None:
    model = rs.keras.MultitaskModel(trunk(), TASKS)
    model.compile("adam")
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"tasks\.third: .* from 0 to 2"):
        model.evaluate(data(third=np.full(64, 3)), verbose=0)
    with pytest.raises(rs.RootstockError, match="sample_weight: expected none"):
        model.train_on_batch(X, LABELS, sample_weight=np.ones(64))
    with pytest.raises(rs.RootstockError, match="Missing: sign, sum, third"):
        model.evaluate(tf.data.Dataset.from_tensor_slices((X, X[:, 0])).batch(32), verbose=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": {"a": "bnary"}}, "tasks.a: unknown kind 'bnary'. Did you mean 'binary'"),
        ({"balancing": "pcgard"}, "balancing: 'pcgard'"),
        ({"transfer": "setfit"}, "needs the pipeline"),
        ({"balancing": "pcgrad", "sharing": "soft"}, "pcgrad"),
        ({"trunk": keras.Sequential([keras.layers.Dense(2)])}, "its inputs are not known"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(rs.RootstockError, match=message):
        rs.keras.MultitaskModel(**{"trunk": trunk(), "tasks": TASKS, **change})
