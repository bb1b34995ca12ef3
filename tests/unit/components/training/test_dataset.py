"""Training batches: every row once per epoch, in an order that depends only on seed and epoch."""

from __future__ import annotations

import numpy as np
import pytest

from components.training import dataset
from components.training.dataset import evaluation_batches, training_batches
from components.training.rows import Rows
from models.inputs.layers.augment import Augment
from models.lazy import tf
from models.multitask.batch_losses import OWN_SHARE

N = 50
ROWS = Rows(
    {
        "x": np.arange(N, dtype=np.float32),
        "image": np.arange(N * 4, dtype=np.uint8).reshape(N, 2, 2),
    },
    {"t": np.arange(N, dtype=np.int32)},
)


def order(batches: tf.data.Dataset) -> list[int]:
    """Row numbers in the order of the batches; checks that all columns agree."""
    rows: list[int] = []
    for features, labels in batches:
        numbers = labels["t"].numpy()
        np.testing.assert_array_equal(features["x"], numbers)
        np.testing.assert_array_equal(features["image"], ROWS.features["image"][numbers])
        rows += numbers.tolist()
    return rows


@pytest.mark.parametrize("limit", [0, 2**31], ids=["disk", "memory"])
def test_the_order_depends_on_seed_and_epoch(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "IN_MEMORY_BYTES", limit)
    epoch = tf.Variable(0, dtype=tf.int64)
    batches = training_batches(ROWS, 16, 7, epoch)
    first = order(batches)
    assert sorted(first) == list(range(N))
    assert order(batches) == first
    epoch.assign(1)
    second = order(batches)
    assert sorted(second) == list(range(N))
    assert second != first
    resumed = tf.Variable(1, dtype=tf.int64)
    assert order(training_batches(ROWS, 16, 7, resumed)) == second
    assert order(training_batches(ROWS, 16, 8, resumed)) != second


def test_the_last_batch_is_kept() -> None:
    batches = training_batches(ROWS, 16, 0, tf.Variable(0, dtype=tf.int64))
    assert [len(labels["t"]) for _, labels in batches] == [16, 16, 16, 2]
    assert int(batches.cardinality()) == 4


def test_epochs_of_a_fixed_number_of_steps_continue_through_the_rows() -> None:
    epoch = tf.Variable(0, dtype=tf.int64)
    batches = training_batches(ROWS, 16, 7, epoch, steps=4)
    assert int(batches.cardinality()) == 4
    read: list[int] = []
    for index in range(5):
        epoch.assign(index)
        part = order(batches)
        assert len(part) == 64
        assert order(batches) == part
        read += part
    passes = np.reshape(read[: N * 6], (6, N))
    assert (np.sort(passes) == np.arange(N)).all()
    assert len({tuple(p) for p in passes}) == 6


def test_batches_hold_rows_of_about_the_same_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 64, N * 20)
    rows = Rows({"x": np.zeros(N * 20, np.float32)}, {"t": np.arange(N * 20, dtype=np.int32)})
    epoch = tf.Variable(0, dtype=tf.int64)

    def read(lengths: np.ndarray | None) -> list[np.ndarray]:
        batches = training_batches(rows, 16, 7, epoch, lengths=lengths)
        return [labels["t"].numpy() for _, labels in batches]

    def padded(batches: list[np.ndarray]) -> float:
        return float(np.mean([lengths[b].max() for b in batches]))

    first, mixed = read(lengths), read(None)
    assert [len(b) for b in first] == [len(b) for b in mixed] == [16] * 62 + [8]
    assert sorted(np.concatenate(first)) == list(range(N * 20))
    assert padded(first) < lengths.mean() + 6 < padded(mixed) - 15
    tops = [int(lengths[b].max()) for b in first[:-1]]
    assert tops not in (sorted(tops), sorted(tops, reverse=True))
    np.testing.assert_equal(read(lengths), first)
    epoch.assign(1)
    assert not np.array_equal(read(lengths)[0], first[0])


@pytest.mark.parametrize("limit", [0, 2**31], ids=["disk", "memory"])
def test_evaluation_keeps_the_order(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "IN_MEMORY_BYTES", limit)
    batches = evaluation_batches(ROWS, 16)
    assert order(batches) == list(range(N))
    assert int(batches.cardinality()) == 4
    assert batches.element_spec[0]["image"] == tf.TensorSpec([None, 2, 2], tf.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 2**31], ids=["disk", "memory"])
def test_images_are_changed_by_seed_epoch_and_step(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "IN_MEMORY_BYTES", limit)
    images = np.random.default_rng(0).integers(0, 256, (N, 6, 5, 3), np.uint8)
    rows = Rows(ROWS.features | {"image": images}, ROWS.labels)
    augment = Augment(flip=True, shift=0.2)

    def epoch(number: int, seed: int = 7) -> dict[int, np.ndarray]:
        """Changed images by row; all else is as it was."""
        at = tf.Variable(number, dtype=tf.int64)
        batches = training_batches(rows, 16, seed, at, augment=augment)
        assert int(batches.cardinality()) == 4
        found: dict[int, np.ndarray] = {}
        for features, labels in batches:
            np.testing.assert_array_equal(features["x"], labels["t"])
            assert features["image"].shape[1:] == images.shape[1:]
            found |= dict(zip(labels["t"].numpy().tolist(), features["image"].numpy(), strict=True))
        return found

    first, again, second, other = epoch(0), epoch(0), epoch(1), epoch(0, seed=8)
    assert sorted(first) == list(range(N))

    def same(a: dict[int, np.ndarray], b: dict[int, np.ndarray]) -> int:
        return sum(np.array_equal(a[i], b[i]) for i in range(N))

    assert same(first, again) == N
    assert same(first, second) == same(first, other) == 0
    assert same(first, dict(enumerate(images))) == 0


def test_mixed_images_come_with_the_share_of_their_own_label() -> None:
    images = np.repeat(np.arange(N, dtype=np.uint8)[:, None, None, None] * 5, 6, axis=1)
    rows = Rows({"image": images}, ROWS.labels)
    epoch = tf.Variable(0, dtype=tf.int64)
    for features, labels in training_batches(rows, 16, 7, epoch, augment=Augment(mixup=1.0)):
        own = 5 * labels["t"].numpy().astype(float)
        shares = labels[OWN_SHARE].numpy()
        expected = shares * own + (1 - shares) * np.roll(own, -1)
        found = features["image"].numpy()[:, 0, 0, 0]
        np.testing.assert_allclose(found, expected, atol=0.51)
        assert len(np.unique(shares)) == len(own)
