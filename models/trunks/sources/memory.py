"""Estimates the memory of weights before they are loaded."""

from __future__ import annotations

from pathlib import Path

import psutil

BYTES = {"float32": 4, "bfloat16": 2}
BESIDE = 2**30
"""Bytes for TensorFlow itself, one batch, and the tensor that is being loaded."""
_LIMITS = {"/sys/fs/cgroup/memory.max": "/sys/fs/cgroup/memory.current"}
"""Files with the memory that a container may use, and those with what it uses."""


def more_than_free(what: str, weights: int, dtype: str) -> list[str]:
    """A sentence about a trunk whose weights do not fit into the free memory, as `Trunk.check`
    states it; none if they do.

    what: the trunk, for the sentence. weights: their number.
    """
    needed, free = weights * BYTES[dtype] + BESIDE, free_memory()
    if needed <= free:
        return []
    half = "`dtype: bfloat16`, which halves them for a frozen trunk, " if dtype == "float32" else ""
    return [
        f"{what}: its {weights:,} weights in {dtype} need about {needed / 2**30:.1f} GiB of memory,"
        f" but {free / 2**30:.1f} GiB are free. Take {half}a smaller model, or a larger machine."
    ]


def free_memory() -> int:
    """Bytes that this process can still use."""
    free = int(psutil.virtual_memory().available)
    for limit, used in _LIMITS.items():
        try:
            free = min(free, int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):
            continue  # no container, or no limit ("max")
    return free
