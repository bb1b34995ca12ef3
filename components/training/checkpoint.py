"""Checkpoints of training: a killed and resumed run gives the same result as any other run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.data.atomic import replacing
from components.training.stored_copy import StoredCopy
from models.lazy import keras

TIMES = "seconds", "train_seconds", "steps"
"""How long an epoch took, with and without validation, and its steps, which are fewer where
`training.seconds` ended it: the figures of an epoch that depend on more than the inputs."""


@dataclass
class Progress:
    """Results of the finished epochs.

    history: the figures of each epoch.
    best: `Checkpoint.weights` after the best epoch; empty unless early stopping needs them.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """A file with everything that training resumes from: weights, random states, the optimizer's
    variables, and progress.

    changing: the variables of the model that training may change; the others are not saved.
    more: further variables that training resumes from, such as those of an average of the weights.
    copy: of the file, on another machine; None for none.
    """

    file: Path
    optimizer: keras.optimizers.Optimizer
    changing: Sequence[keras.Variable]
    more: Sequence[keras.Variable] = ()
    copy: StoredCopy | None = field(default=None, kw_only=True)

    def save(self, progress: Progress) -> None:
        """Replace the file. If the process is killed, the file holds the old checkpoint."""
        arrays = {f"variable{i}": np.asarray(v) for i, v in enumerate(self._state())}
        arrays |= {f"best{i}": a for i, a in enumerate(progress.best)}
        arrays["history"] = np.frombuffer(json.dumps(progress.history).encode(), np.uint8)
        with replacing(self.file) as new, new.open("wb") as stream:
            np.savez(stream, allow_pickle=False, **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        if self.copy is not None:
            self.copy.write(self.file)

    def fetch(self) -> None:
        """Make the file from its copy, if this machine does not have it."""
        if self.copy is not None and not self.file.exists():
            self.copy.fetch(self.file)

    def restore(self) -> Progress:
        """Set the variables. Without a checkpoint, they stay as they are and progress is empty."""
        self.fetch()
        if not self.file.exists():
            return Progress()
        with np.load(self.file) as arrays:
            for i, variable in enumerate(self._state()):
                variable.assign(arrays[f"variable{i}"])
            history = json.loads(arrays["history"].tobytes())
            best = [arrays[f"best{i}"] for i in range(sum(k.startswith("best") for k in arrays))]
        return Progress(history, best)

    def weights(self) -> list[np.ndarray]:
        return [np.asarray(v) for v in self.changing]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        for variable, value in zip(self.changing, weights, strict=True):
            variable.assign(value)

    def _state(self) -> list[keras.Variable]:
        return [*self.changing, *self.optimizer.variables, *self.more]
