"""The Poisson loss, against SciPy and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import poisson
from sklearn.metrics import mean_absolute_error, mean_poisson_deviance

from models.lazy import tf
from models.multitask.batch_losses import batch_losses
from models.tasks.base import TaskTarget
from models.tasks.count import CountTask
from models.tasks.heads.head import head_for

RNG = np.random.default_rng(0)
HEAD = head_for(TaskTarget(task=CountTask(name="t", label="y")))
LABELS = RNG.poisson(np.exp(RNG.normal(1, 1, 400))).astype(np.float32)
LOG_RATES = RNG.normal(1, 1, (400, 1)).astype(np.float32)


def test_the_loss_is_the_negative_log_likelihood_above_that_of_the_label() -> None:
    assert (LABELS == 0).any()
    rows = HEAD.row_losses(tf.constant(LABELS), tf.constant(LOG_RATES))
    rate, exact = np.exp(LOG_RATES[:, 0].astype(float)), LABELS.astype(float)
    expected = poisson.logpmf(exact, np.where(exact > 0, exact, 1e-300)) - poisson.logpmf(
        exact, rate
    )
    np.testing.assert_allclose(rows, expected, rtol=2e-5, atol=2e-6)
    assert 2 * np.mean(rows) == pytest.approx(mean_poisson_deviance(exact, rate), rel=1e-5)


def test_the_gradient_is_the_error() -> None:
    outputs = tf.Variable(LOG_RATES)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(HEAD.row_losses(tf.constant(LABELS), tf.convert_to_tensor(outputs)))
    expected = np.exp(LOG_RATES[:, 0]) - LABELS
    np.testing.assert_allclose(tape.gradient(total, outputs)[:, 0], expected, rtol=1e-4, atol=1e-4)


def test_large_counts_lose_no_digits() -> None:
    """Y log(y / mu) - y + mu in float32 would be off by far more than it is."""
    labels = np.array([1e6, 1e6, 3.0], np.float32)
    log_rates = np.log(np.array([1e6, 1.01e6, 3.0])).astype(np.float32)[:, None]
    rate, exact = np.exp(log_rates[:, 0].astype(float)), labels.astype(float)
    expected = exact * np.log(exact / rate) - exact + rate
    rows = HEAD.row_losses(tf.constant(labels), tf.constant(log_rates))
    np.testing.assert_allclose(rows, expected, rtol=1e-3, atol=1e-3)
    assert np.min(rows) >= 0


def test_a_missing_count_adds_nothing() -> None:
    labels = LABELS.copy()
    labels[::3] = np.nan
    known = ~np.isnan(labels)
    batch = batch_losses((HEAD,), {"t": tf.constant(labels)}, {"t": tf.constant(LOG_RATES)})
    rate = np.exp(LOG_RATES[known, 0].astype(float))
    expected = mean_poisson_deviance(labels[known].astype(float), rate)
    assert 2 * float(batch.losses[0]) == pytest.approx(expected, rel=1e-5)
    metrics = HEAD.metrics(np.asarray(batch.totals[0]))
    assert metrics["deviance"] == pytest.approx(expected, rel=1e-5)
    assert metrics["mae"] == pytest.approx(mean_absolute_error(labels[known], rate), rel=1e-5)


def test_the_answer_is_the_expected_count() -> None:
    answer = HEAD.answer(tf.constant([[0.0], [np.log(7.0)]], tf.float32))
    np.testing.assert_allclose(answer, [[1], [7]], rtol=1e-6)
    assert answer.dtype == tf.float32
