"""Metrics from totals, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    roc_auc_score,
    root_mean_squared_error,
)

from models.lazy import tf
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.heads import losses
from models.tasks.heads.epoch_metrics import BINS, auc
from models.tasks.heads.head import Head, head_for
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

RNG = np.random.default_rng(1)
ROWS = 2000


def measured(head: Head, labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    """Metrics of batches of unequal size."""
    total = np.zeros(head.num_totals)
    for start, stop in ((0, 7), (7, 1000), (1000, len(labels))):
        batch, given = tf.constant(labels[start:stop]), tf.constant(outputs[start:stop])
        present = losses.present(batch)
        total += head.totals(losses.filled(batch, present), given, present).numpy()
    return head.metrics(total)


def noisy(labels: np.ndarray, scale: float) -> np.ndarray:
    return (labels + RNG.normal(0, scale, labels.shape)).astype(np.float32)


@pytest.mark.parametrize("offset", [0, -9])
def test_binary(offset: float) -> None:
    """Rare positives have probabilities near 0, where even thresholds are too coarse."""
    labels = (RNG.random(ROWS) < 0.2).astype(np.float32)
    logits = noisy(2 * labels - 1, 2)[:, None] + np.float32(offset)
    labels[::3] = np.nan
    there = ~np.isnan(labels)
    head = head_for(TaskTarget(task=BinaryTask(name="t", label="t")))
    found = measured(head, labels, logits)
    expected = roc_auc_score(labels[there], logits[there, 0])
    assert found["auc"] == pytest.approx(expected, abs=5e-4)
    assert found["accuracy"] == pytest.approx(accuracy_score(labels[there], logits[there, 0] >= 0))


def test_multiclass() -> None:
    labels = RNG.integers(-1, 4, ROWS).astype(np.int32)
    logits = noisy(np.eye(4)[labels], 0.5)
    head = head_for(TaskTarget(task=MulticlassTask(name="t", label="t"), classes=tuple("abcd")))
    there = labels >= 0
    expected = accuracy_score(labels[there], logits[there].argmax(1))
    assert measured(head, labels, logits) == {"accuracy": pytest.approx(expected)}


def test_multilabel() -> None:
    labels = (RNG.random((ROWS, 3)) < 0.3).astype(np.float32)
    logits = noisy(labels, 1)
    labels[::5] = np.nan
    head = head_for(TaskTarget(task=MultilabelTask(name="t", label="t"), classes=tuple("abc")))
    there = ~np.isnan(labels[:, 0])
    expected = roc_auc_score(labels[there], logits[there], average="macro")
    assert measured(head, labels, logits)["auc"] == pytest.approx(expected, abs=5e-4)


def test_regression_is_in_the_unit_of_the_label() -> None:
    labels = RNG.normal(100, 20, ROWS).astype(np.float32)
    outputs = noisy((labels - 100) / 20, 0.3)[:, None]
    labels[::4] = np.nan
    task = RegressionTask(name="t", label="t")
    head = head_for(TaskTarget(task=task, mean=100, deviation=20))
    there = ~np.isnan(labels)
    answers = head.answer(outputs)[there, 0]
    found = measured(head, labels, outputs)
    assert found["mae"] == pytest.approx(mean_absolute_error(labels[there], answers), rel=1e-4)
    assert found["rmse"] == pytest.approx(root_mean_squared_error(labels[there], answers), rel=1e-4)


def test_an_auc_without_both_classes_is_not_a_number() -> None:
    histogram = np.zeros((2, BINS))
    histogram[0, 5] = 3
    assert np.isnan(auc(histogram))


def test_ties_count_half() -> None:
    histogram = np.zeros((2, BINS))
    histogram[:, 5] = 3
    assert auc(histogram) == 0.5
