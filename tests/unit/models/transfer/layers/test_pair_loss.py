"""The loss of pairs, against a loop over pairs in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from models.lazy import tf
from models.transfer.layers.pair_loss import pair_loss


def by_hand(vectors: np.ndarray, classes: np.ndarray) -> float:
    same, different = [], []
    for i in range(len(classes)):
        for j in range(i):
            if classes[i] < 0 or classes[j] < 0:
                continue
            a, b = vectors[i], vectors[j]
            cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
            if classes[i] == classes[j]:
                same.append((cosine - 1) ** 2)
            else:
                different.append(cosine**2)
    return float(sum(np.mean(x) / 2 for x in (same, different) if x))


@pytest.mark.parametrize(
    "classes", [[0, 1, 0, 1, 2], [0, 0, -1, 1, -1], [0, 0, 0, 0, 0], [0, 1, 2, 3, 4], [-1] * 5]
)
def test_it_is_the_mean_of_both_sorts_of_pairs(classes: list[int]) -> None:
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    labels = np.array(classes)
    assert float(pair_loss(vectors, labels)) == pytest.approx(by_hand(vectors, labels), abs=1e-6)


def test_its_gradient_is_finite_where_vectors_are_zero() -> None:
    vectors = tf.Variable(tf.zeros((4, 3)))
    with tf.GradientTape() as tape:
        loss = pair_loss(vectors, np.array([0, 0, 1, 1]))
    assert np.isfinite(tape.gradient(loss, vectors)).all()
