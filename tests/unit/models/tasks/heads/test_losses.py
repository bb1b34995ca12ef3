"""Losses compared with scikit-learn and NumPy, and the pitfalls of plain Keras that they avoid."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from models.lazy import keras, tf
from models.multitask.batch_losses import batch_losses
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.heads import losses
from models.tasks.heads.binary import BinaryHead
from models.tasks.heads.head import Head, class_weights, head_for
from models.tasks.heads.multilabel import element_weights
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

RNG = np.random.default_rng(0)


def binary(**options: object) -> TaskTarget:
    task = BinaryTask(name="t", label="t", **options)  # type: ignore[arg-type]
    classes = ("negative", "positive")
    return TaskTarget(task=task, classes=classes, class_counts=(30, 10), labelled=40)


def loss_of(head: Head, labels: np.ndarray, outputs: np.ndarray) -> float:
    batch = batch_losses((head,), {"t": tf.constant(labels)}, {"t": tf.constant(outputs)})
    return float(batch.losses[0])


def test_binary_crossentropy_is_that_of_scikit_learn() -> None:
    labels = RNG.integers(0, 2, 100).astype(np.float32)
    logits = RNG.normal(0, 3, (100, 1)).astype(np.float32)
    expected = log_loss(labels, 1 / (1 + np.exp(-logits[:, 0].astype(float))))
    assert loss_of(head_for(binary()), labels, logits) == pytest.approx(expected, rel=1e-5)


def test_binary_crossentropy_is_finite_for_certain_mistakes() -> None:
    logits = np.array([[1e4], [-1e4]], np.float32)
    assert loss_of(head_for(binary()), np.array([0, 1], np.float32), logits) == pytest.approx(1e4)


def keras_focal(**options: object) -> keras.losses.Loss:
    return keras.losses.BinaryFocalCrossentropy(from_logits=True, **options)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_loss_of_binary_tasks_is_that_of_keras(gamma: float) -> None:
    labels = RNG.integers(0, 2, (100, 1)).astype(np.float32)
    logits = RNG.normal(0, 3, (100, 1)).astype(np.float32)
    expected = float(keras_focal(gamma=gamma)(labels, logits))
    found = loss_of(head_for(binary(focal=gamma)), labels[:, 0], logits)
    assert found == pytest.approx(expected, rel=1e-4)


def test_label_smoothing_of_binary_tasks_is_that_of_keras() -> None:
    labels = RNG.integers(0, 2, (100, 1)).astype(np.float32)
    logits = RNG.normal(0, 3, (100, 1)).astype(np.float32)
    smoothed = keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2)
    found = loss_of(head_for(binary(label_smoothing=0.2)), labels[:, 0], logits)
    assert found == pytest.approx(float(smoothed(labels, logits)), rel=1e-5)


@pytest.mark.parametrize(("gamma", "smoothing"), [(2.0, 0.0), (0.5, 0.0), (0.0, 0.2), (2.0, 0.2)])
def test_focal_loss_and_label_smoothing_of_classes(gamma: float, smoothing: float) -> None:
    """Lin et al. 2017, equation 4, and Szegedy et al. 2016, section 7, with NumPy."""
    task = MulticlassTask(name="t", label="t", focal=gamma, label_smoothing=smoothing)
    head = head_for(TaskTarget(task=task, classes=("a", "b", "c")))
    labels = RNG.integers(0, 3, 100).astype(np.int32)
    logits = RNG.normal(0, 3, (100, 3)).astype(np.float32)
    odds = np.exp(logits.astype(float))
    p = odds / odds.sum(1, keepdims=True)
    shares = np.eye(3)[labels] * (1 - smoothing) + smoothing / 3
    expected = -(shares * (1 - p) ** gamma * np.log(p)).sum(1).mean()
    assert loss_of(head, labels, logits) == pytest.approx(expected, rel=1e-4)


def test_focal_loss_and_label_smoothing_of_multilabel_tasks() -> None:
    task = MultilabelTask(name="t", label="t", focal=1.5, label_smoothing=0.2)
    labels = RNG.integers(0, 2, (50, 2)).astype(np.float32)
    logits = RNG.normal(0, 3, (50, 2)).astype(np.float32)
    p, shares = 1 / (1 + np.exp(-logits.astype(float))), labels * 0.8 + 0.1
    rows = shares * (1 - p) ** 1.5 * np.log(p) + (1 - shares) * p**1.5 * np.log(1 - p)
    found = loss_of(head_for(TaskTarget(task=task, classes=("a", "b"))), labels, logits)
    assert found == pytest.approx(-rows.mean(), rel=1e-4)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradients_of_focal_losses_are_finite_where_a_prediction_is_certain(gamma: float) -> None:
    three = MulticlassTask(name="t", label="t", focal=gamma)
    cases = [
        (head_for(binary(focal=gamma)), np.ones(2, np.float32), [[1e3], [-1e3]]),
        (
            head_for(TaskTarget(task=three, classes=("a", "b", "c"))),
            np.zeros(2, np.int32),
            [[1e3, 0, 0], [-1e3, 0, 0]],
        ),
    ]
    for head, labels, logits in cases:
        outputs = tf.Variable(np.array(logits, np.float32))
        with tf.GradientTape() as tape:
            batch = batch_losses((head,), {"t": tf.constant(labels)}, {"t": outputs.value()})
        gradient = tf.convert_to_tensor(tape.gradient(batch.losses, outputs))
        assert np.all(np.isfinite(gradient))
        assert np.any(gradient[1] != 0)


def test_categorical_crossentropy_is_that_of_scikit_learn() -> None:
    task = MulticlassTask(name="t", label="t")
    head = head_for(TaskTarget(task=task, classes=("a", "b", "c")))
    labels = RNG.integers(0, 3, 100).astype(np.int32)
    logits = RNG.normal(0, 3, (100, 3)).astype(np.float32)
    odds = np.exp(logits.astype(float))
    expected = log_loss(labels, odds / odds.sum(1, keepdims=True), labels=[0, 1, 2])
    assert loss_of(head, labels, logits) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("loss", "expected"), [("mse", (1 + 4) / 2), ("huber", (0.5 + 1.5) / 2)])
def test_regression_losses_are_on_the_standardised_scale(loss: str, expected: float) -> None:
    """The standardised labels are -1 and 1; the outputs are 1 and 2 away."""
    task = RegressionTask(name="t", label="t", loss=loss)  # type: ignore[arg-type]
    head = head_for(TaskTarget(task=task, mean=20, deviation=10))
    labels, outputs = np.array([10, 30], np.float32), np.array([[0], [-1]], np.float32)
    assert loss_of(head, labels, outputs) == pytest.approx(expected)


def test_4_labelled_rows_of_64_give_the_mean_of_those_4() -> None:
    """Keras divides by 64."""
    labels = np.full(64, np.nan, np.float32)
    labels[[3, 20, 40, 63]] = [1, 0, 0, 1]
    logits = RNG.normal(size=(64, 1)).astype(np.float32)
    there = ~np.isnan(labels)
    expected = log_loss(labels[there], 1 / (1 + np.exp(-logits[there, 0].astype(float))))
    assert loss_of(head_for(binary()), labels, logits) == pytest.approx(expected, rel=1e-5)


MISSING = {
    "binary": (binary(), np.array([1, np.nan], np.float32), 1),
    "multiclass": (
        TaskTarget(task=MulticlassTask(name="t", label="t"), classes=("a", "b")),
        np.array([1, -1], np.int32),
        2,
    ),
    "multilabel": (
        TaskTarget(task=MultilabelTask(name="t", label="t"), classes=("a", "b")),
        np.array([[1, 0], [np.nan, np.nan]], np.float32),
        2,
    ),
    "regression": (
        TaskTarget(task=RegressionTask(name="t", label="t")),
        np.array([1, np.nan], np.float32),
        1,
    ),
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_labels_reach_neither_loss_nor_gradient(kind: str) -> None:
    """In Keras a NaN label with weight 0 makes the loss NaN."""
    target, labels, units = MISSING[kind]
    head = head_for(target)
    outputs = tf.Variable(RNG.normal(size=(2, units)).astype(np.float32))

    def loss(rows: slice) -> tuple[float, np.ndarray]:
        with tf.GradientTape() as tape:
            batch = batch_losses((head,), {"t": tf.constant(labels[rows])}, {"t": outputs[rows]})
        return float(batch.losses[0]), tf.convert_to_tensor(tape.gradient(batch.losses, outputs))

    both, gradient = loss(slice(0, 2))
    assert both == pytest.approx(loss(slice(0, 1))[0])
    assert np.all(np.isfinite(gradient))
    assert np.any(gradient[0] != 0)
    assert np.all(gradient[1] == 0)
    nothing, gradient = loss(slice(1, 2))
    assert nothing == 0
    assert np.all(gradient == 0)


def test_class_weights_multiply_rows() -> None:
    labels, logits = np.array([0, 1], np.float32), np.array([[0.0], [0.0]], np.float32)
    weighted = head_for(binary(class_weight={"positive": 3.0}))
    assert loss_of(weighted, labels, logits) == pytest.approx(np.log(2) * (1 + 3) / 2)


def test_balanced_weights_average_to_1_over_the_training_rows() -> None:
    target = binary(class_weight="balanced")
    weights = class_weights(target, "balanced")
    assert weights == (40 / (2 * 30), 40 / (2 * 10))
    assert np.dot(weights, target.class_counts) / target.labelled == pytest.approx(1)


def test_multiclass_weights() -> None:
    task = MulticlassTask(name="t", label="t", class_weight={"b": 5.0})
    head = head_for(TaskTarget(task=task, classes=("a", "b")))
    outputs = np.zeros((2, 2), np.float32)
    found = loss_of(head, np.array([0, 1], np.int32), outputs)
    assert found == pytest.approx(np.log(2) * (1 + 5) / 2)


def test_multilabel_weights() -> None:
    task = MultilabelTask(name="t", label="t", class_weight="balanced")
    target = TaskTarget(task=task, classes=("a", "b"), class_counts=(1, 8), labelled=16)
    assert element_weights(target, "balanced") == ((16 / 30, 16 / 16), (16 / 2, 16 / 16))
    found = loss_of(head_for(target), np.array([[1, 0]], np.float32), np.zeros((1, 2), np.float32))
    assert found == pytest.approx(np.log(2) * (8 + 1) / 2)


def test_a_weight_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no class 'yes'. Expected some of: 'negative', 'posi"):
        head_for(binary(class_weight={"yes": 2.0}))


def test_losses_need_only_keras_ops() -> None:
    """So that losses also run on other backends, the module does not mention TensorFlow."""
    assert "tf" not in vars(losses)
    assert losses.ops is keras.ops
    assert isinstance(head_for(binary()), BinaryHead)
