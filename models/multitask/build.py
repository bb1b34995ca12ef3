"""Build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.multitask.model import MultitaskModel
from models.multitask.record import WEIGHTS, ModelRecord


def read_model(directory: Path, record: ModelRecord) -> MultitaskModel:
    """The trained model of a directory. record: that which `read_record` reads there, or one whose
    features have other names.

    Raises:
        ValueError: its weights do not fit its record.
    """
    import numpy as np

    model = record.build()
    with np.load(directory / WEIGHTS) as arrays:
        model.load_weights_from(list(arrays.values()))
    return model


def save_weights(model: MultitaskModel, directory: Path) -> None:
    """Write `weights.npz`: arrays in the order of `model.weights`, named `<index>:<path>`."""
    import numpy as np

    named = {f"{i}:{w.path}": np.asarray(w) for i, w in enumerate(model.weights)}
    np.savez(directory / WEIGHTS, allow_pickle=False, **named)
