"""Checkpoints of training: a run that is killed and started again ends as if it never had been."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.data.atomic import replacing
from models.lazy import keras


@dataclass
class Progress:
    """What finished epochs have shown.

    history: the figures of each epoch. best: the weights after the best one, where they are wanted,
    as `Checkpoint.weights` takes them.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """Everything that training goes on from: weights, random states, the optimizer, progress.

    changing: the variables of the model that training may change; the others are not kept.
    """

    file: Path
    model: keras.Model
    changing: Sequence[keras.Variable]

    def save(self, progress: Progress) -> None:
        """Write it, so that the file holds either the old checkpoint or the new one, whole."""
        arrays = {f"variable{i}": np.asarray(v) for i, v in enumerate(self._state())}
        arrays |= {f"best{i}": a for i, a in enumerate(progress.best)}
        arrays["history"] = np.frombuffer(json.dumps(progress.history).encode(), np.uint8)
        with replacing(self.file) as new, new.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
            stream.flush()
            os.fsync(stream.fileno())

    def restore(self) -> Progress:
        """Set the variables; leaves them, with empty progress, where there is no checkpoint."""
        if not self.file.exists():
            return Progress()
        with np.load(self.file) as arrays:
            for i, variable in enumerate(self._state()):
                variable.assign(arrays[f"variable{i}"])
            history = json.loads(arrays["history"].tobytes())
            best = [arrays[f"best{i}"] for i in range(sum(k.startswith("best") for k in arrays))]
        return Progress(history, best)

    def weights(self) -> list[np.ndarray]:
        """The values of what training changes, as they are now."""
        return [np.asarray(v) for v in self.changing]

    def put_back(self, weights: list[np.ndarray]) -> None:
        """Set what `weights` gave."""
        for variable, value in zip(self.changing, weights, strict=True):
            variable.assign(value)

    def _state(self) -> list[keras.Variable]:
        return [*self.changing, *self.model.optimizer.variables]
