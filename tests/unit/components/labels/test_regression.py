"""Labels of regression tasks, with and without outliers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.data.robust import percentiles_of
from components.labels.base import LabelColumn, labels_of
from components.labels.encoding import resolve
from models.lazy import tf
from models.tasks.heads.head import head_for
from models.tasks.regression import RegressionTask
from pipeline.spec.guesses import guess_task

RNG = np.random.default_rng(0)
TAME = RNG.normal(30, 3, 2000)
SPOILT = np.where(np.arange(2000) % 100 == 0, 1000 * TAME, TAME)
LONG = np.exp(RNG.normal(10, 2, 2000))


def column(values: np.ndarray) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values)])


def task(**fields: Any) -> RegressionTask:
    return RegressionTask(name="y", label="y", **fields)


def test_outliers_do_not_stretch_the_threshold_of_hubers_loss() -> None:
    target = resolve(task(loss="huber"), column(SPOILT))
    assert target.mean == pytest.approx(30, abs=0.3)
    assert target.deviation == pytest.approx(3, rel=0.1)
    squared = resolve(task(), column(SPOILT))
    assert squared.mean == pytest.approx(SPOILT.mean(), rel=1e-5)
    assert squared.deviation == pytest.approx(SPOILT.std(), rel=1e-5)
    assert resolve(task(loss="huber"), column(np.full(9, 5.0))).deviation == 1.0


@pytest.mark.parametrize("loss", ["mse", "huber"])
def test_logarithms_are_learnt_and_answers_are_in_the_unit_of_the_label(loss: str) -> None:
    target = resolve(task(loss=loss, log=True), column(LONG))
    head = head_for(target)
    assert 8 < target.mean < 12
    labels = tf.constant([0.0, 1e6, -20.0, 3e9], tf.float32)
    outputs = (tf.sign(labels) * tf.math.log1p(tf.abs(labels)) - target.mean) / target.deviation
    np.testing.assert_allclose(head.answer(outputs[:, None])[:, 0], labels, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(head.row_losses(labels, outputs[:, None]), 0, atol=1e-6)
    wrong = tf.fill([4, 1], 1e9)
    assert np.isfinite(head.answer(wrong)).all()
    totals = head.totals(labels, wrong, tf.ones(4))
    assert np.isfinite(list(head.metrics(np.asarray(totals)).values())).all()


def test_metrics_of_logarithms_are_in_the_unit_of_the_label() -> None:
    head = head_for(resolve(task(log=True), column(LONG)))
    labels, answers = np.array([100.0, 50.0], np.float32), np.array([110.0, 30.0], np.float32)
    outputs = (np.log1p(answers) - head.target.mean) / head.target.deviation
    totals = head.totals(tf.constant(labels), tf.constant(outputs[:, None], tf.float32), tf.ones(2))
    metrics = head.metrics(np.asarray(totals))
    assert metrics["mae"] == pytest.approx(15, rel=1e-3)
    assert metrics["rmse"] == pytest.approx(250**0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (TAME, {}),
        (SPOILT, {"loss": "huber"}),
        (-SPOILT, {"loss": "huber"}),
        (LONG, {"loss": "huber", "log": True}),
    ],
)
def test_init_guesses_a_robust_loss(values: np.ndarray, expected: dict[str, object]) -> None:
    assert guess_task(column(values), "y") == {"kind": "regression", "label": "y"} | expected


def test_a_squared_error_of_outliers_is_doubted() -> None:
    known = LabelColumn(
        type="double",
        shape="numbers",
        present=2000,
        deviation=float(SPOILT.std()),
        percentiles=tuple(percentiles_of(SPOILT)),
    )
    labels = labels_of(task())
    [doubt] = labels.doubts(task(), known)
    assert doubt.startswith("column 'y' has outliers or a long tail: it reaches from")
    assert labels.doubts(task(loss="huber"), known) == []
    assert labels.doubts(task(log=True), known) == []
    tame = replace(known, deviation=3.0, percentiles=tuple(percentiles_of(TAME)))
    assert labels.doubts(task(), tame) == []
