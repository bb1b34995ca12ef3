"""Checkpoints of training: a run that is killed and started again ends as if it never had been."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.lazy import keras


@dataclass
class Progress:
    """What finished epochs have shown.

    history: the figures of each epoch. best: the weights after the best one, where they are wanted.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)


def save(path: Path, variables: Sequence[keras.Variable], progress: Progress) -> None:
    """Write all state, so that `path` holds either the old checkpoint or the new one, whole."""
    arrays = {f"variable{i}": np.asarray(v) for i, v in enumerate(variables)}
    arrays |= {f"best{i}": a for i, a in enumerate(progress.best)}
    arrays["history"] = np.frombuffer(json.dumps(progress.history).encode(), np.uint8)
    beside = path.with_suffix(".partial")
    with beside.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, path)


def restore(path: Path, variables: Sequence[keras.Variable]) -> Progress:
    """Set `variables` from a checkpoint; leaves them, with empty progress, where there is none."""
    if not path.exists():
        return Progress()
    with np.load(path) as arrays:
        for i, variable in enumerate(variables):
            variable.assign(arrays[f"variable{i}"])
        history = json.loads(arrays["history"].tobytes())
        best = [arrays[f"best{i}"] for i in range(sum(k.startswith("best") for k in arrays))]
    return Progress(history, best)
