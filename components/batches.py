"""Reading `Batches`: preprocessed features as NumPy arrays over the memory-mapped files."""

from __future__ import annotations

from components.arrow import np
from components.artifacts import Batches
from models.features import Feature


def load_columns(
    batches: Batches, split: str, features: tuple[Feature, ...]
) -> dict[str, np.ndarray]:
    """Arrays [rows, …] by feature name, without a copy where the split is one shard.

    Shapes and dtypes are those of the preprocessed features: see `models.features`.
    """
    raise NotImplementedError
