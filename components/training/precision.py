"""Computing in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.lazy import keras, tf

CPU_INFO = Path("/proc/cpuinfo")
"""Where Linux says what the processor can do."""
INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}
"""Flags of processors that multiply numbers in bfloat16: of x86 and of Arm."""
SLOW = (
    "training.mixed_precision: this processor has no instructions for bfloat16 and computes it"
    " through float32, which is usually slower than float32 alone. Compare both, or remove the key."
)


@contextmanager
def precision(mixed: bool) -> Iterator[None]:
    """Build layers that compute in bfloat16, which needs no loss scaling, or in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def without_gain(mixed: bool) -> list[str]:
    """A warning if bfloat16 is wanted on a processor, without a GPU, that does not compute it."""
    if not mixed or not CPU_INFO.exists() or tf.config.list_physical_devices("GPU"):
        return []
    return [] if computes_bfloat16(CPU_INFO.read_text()) else [SLOW]


def computes_bfloat16(cpu_info: str) -> bool:
    """Whether a text in the form of /proc/cpuinfo names such instructions."""
    lines = (line.partition(":") for line in cpu_info.splitlines())
    flags = (set(v.split()) for key, _, v in lines if key.strip() in ("flags", "Features"))
    return any(INSTRUCTIONS & each for each in flags)
