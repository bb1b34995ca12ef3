"""The epoch that a trained model was kept from."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path


def kept_epoch(artifacts: Iterable[Path]) -> tuple[int, Collection[str]]:
    """The index of the epoch whose weights a trained model has, and the names of its metrics.

    artifacts: directories of a stage's outputs. No names if none of them is a trained model.
    """
    for directory in artifacts:
        with contextlib.suppress(OSError, ValueError, KeyError):
            history = json.loads((directory / "history.json").read_text())
            kept: int = history["kept_epoch"]
            return kept, history["epochs"][kept].keys()
    return 0, ()
