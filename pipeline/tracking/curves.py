"""Which figures of a stage are points of curves over epochs, and where on them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path


def kept_epoch(artifacts: Iterable[Path]) -> tuple[int, Collection[str]]:
    """Index of the epoch whose weights a trained model has, and what that epoch has figures of.

    artifacts: a stage's. No names where none of them is a trained model, or it is gone.
    """
    for directory in artifacts:
        with contextlib.suppress(OSError, ValueError, KeyError):
            told = json.loads((directory / "history.json").read_text())
            kept: int = told["kept_epoch"]
            return kept, told["epochs"][kept].keys()
    return 0, ()
