"""A checkpoint of a small model with an optimizer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from components.beam.by_url import finish
from components.stage import Remote, Silent
from components.training.checkpoint import Checkpoint, Progress
from components.training.stored_copy import StoredCopy
from models.lazy import keras
from tests.remote import Bucket, bucket

__all__ = ["bucket"]


class Warnings(Silent):
    def __init__(self) -> None:
        self.found: list[str] = []

    def warn(self, message: str) -> None:
        self.found.append(message)


def model_of(seed: int) -> keras.Model:
    """A model with two layers, of which the second one trains."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)])
    model.build((None, 3))
    return model


def checkpoint(file: Path, model: keras.Model) -> Checkpoint:
    optimizer = keras.optimizers.Adam(0.1)
    optimizer.build(model.layers[1].trainable_variables)
    return Checkpoint(file, optimizer, model.layers[1].weights)


def test_everything_is_restored_except_what_does_not_change(tmp_path: Path) -> None:
    saved = checkpoint(tmp_path / "checkpoint.npz", model_of(seed=0))
    for v in saved.optimizer.variables:
        v.assign(np.ones(v.shape))
    history = [{"loss": 1.0, "val_loss": float("nan")}, {"loss": 0.5}]
    saved.save(Progress(history, best=saved.weights()))

    model = model_of(seed=1)
    other = checkpoint(tmp_path / "checkpoint.npz", model)
    frozen = [np.asarray(v) for v in model.layers[0].weights]
    progress = other.restore()
    np.testing.assert_equal(progress.history, history)
    for mine, theirs in zip(other.weights(), saved.weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(progress.best, saved.weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(other.optimizer.variables, saved.optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))
    for before, after in zip(frozen, model.layers[0].weights, strict=True):
        np.testing.assert_array_equal(before, np.asarray(after))


def test_a_machine_with_an_empty_disk_resumes_from_the_store(
    bucket: type[Bucket], tmp_path: Path
) -> None:
    remote, warnings = Remote("bucket://b/store/Trainer/0", ()), Warnings()
    first, second = (
        replace(
            checkpoint(tmp_path / name / "checkpoint.npz", model_of(seed)),
            copy=StoredCopy(remote, warnings),
        )
        for seed, name in enumerate(("first", "second"))
    )
    first.file.parent.mkdir()
    assert second.restore() == Progress()
    first.save(Progress([{"loss": 1.0}]))
    assert second.restore().history == [{"loss": 1.0}]
    for mine, theirs in zip(first.weights(), second.weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert remote.work == {"checkpoint.npz"}
    finish(remote)
    assert not bucket.store

    def dead(kind: str, path: str) -> None:
        raise ConnectionError("no route to host")

    bucket.fault = staticmethod(dead)
    first.save(Progress([{"loss": 0.5}]))
    assert first.restore().history == [{"loss": 0.5}]
    assert "the checkpoint is on this machine only: bucket://b/store" in warnings.found[0]


def test_without_a_file_nothing_changes(tmp_path: Path) -> None:
    new = checkpoint(tmp_path / "checkpoint.npz", model_of(seed=0))
    before = new.weights()
    assert new.restore() == Progress()
    for old, now in zip(before, new.weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_weights_can_be_set_again(tmp_path: Path) -> None:
    new = checkpoint(tmp_path / "checkpoint.npz", model_of(seed=0))
    before = new.weights()
    for v in new.changing:
        v.assign(np.zeros(v.shape))
    new.set_weights(before)
    for old, now in zip(before, new.weights(), strict=True):
        np.testing.assert_array_equal(old, now)
