"""Checkpoints of a training in several processes. Importing this module imports TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from components.training.checkpoint import Checkpoint, Progress
from components.training.devices import ONE_DEVICE, Devices


@dataclass(frozen=True)
class SharedCheckpoint(Checkpoint):
    """Written by the chief only. All workers resume from its content, which it sends them, so that
    only the chief needs a disk that survives.
    """

    devices: Devices = ONE_DEVICE

    def save(self, progress: Progress) -> None:
        if self.devices.is_chief:
            super().save(progress)

    def restore(self) -> Progress:
        if self.devices.is_chief:
            self.fetch()
        there = self.devices.is_chief and self.file.exists()
        content = self.devices.bytes_of_chief(self.file.read_bytes() if there else b"")
        if not self.devices.is_chief:
            self.file.unlink(missing_ok=True)
            if content:
                self.file.write_bytes(content)
        return super().restore()
