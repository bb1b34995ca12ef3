"""The chief writes checkpoints; a worker resumes from what the chief has, not from its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.training.checkpoint import Progress
from components.training.devices import Devices
from components.training.shared_checkpoint import SharedCheckpoint
from models.lazy import keras


class Second(Devices):
    """Those of the second of two workers, which has received `content`."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.count, self.own, self.content = 2, range(1, 2), content

    def bytes_of_chief(self, content: bytes) -> bytes:
        assert content == b""
        return self.content


def checkpoint(file: Path, value: float, devices: Devices) -> SharedCheckpoint:
    variable = keras.Variable(np.full(3, value, np.float32))
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build([variable])
    return SharedCheckpoint(file, optimizer, [variable], devices=devices)


def test_all_workers_resume_from_the_checkpoint_of_the_chief(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("chief.npz", "second.npz")]
    progress = Progress([{"loss": 0.5}])
    checkpoint(files[0], 7.0, Devices()).save(progress)
    checkpoint(files[1], 1.0, Devices()).save(Progress([{"loss": 1.0}] * 3))  # of another time

    second = checkpoint(files[1], 0.0, Second(files[0].read_bytes()))
    assert second.restore() == progress
    np.testing.assert_array_equal(second.weights()[0], np.full(3, 7.0))
    second.save(Progress())
    assert second.restore() == progress


def test_without_a_checkpoint_of_the_chief_all_begin_at_the_beginning(tmp_path: Path) -> None:
    file = tmp_path / "second.npz"
    checkpoint(file, 1.0, Devices()).save(Progress([{"loss": 1.0}]))
    second = checkpoint(file, 0.0, Second(b""))
    assert second.restore() == Progress()
    np.testing.assert_array_equal(second.weights()[0], np.zeros(3))
