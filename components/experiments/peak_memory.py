"""Peak memory of a piece of work, in a process that has done other work before."""

from __future__ import annotations

import ctypes
import gc
import re
from pathlib import Path

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"
"""Value for `clear_refs` (see proc(5)) that resets the peak to the current resident size."""


class PeakMemory:
    """Measures from its construction on. Linux only."""

    def __init__(self) -> None:
        gc.collect()
        try:
            ctypes.CDLL(None).malloc_trim(0)  # return freed memory of earlier work to the system
            (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
            self._before = _kib("VmRSS")
        except (OSError, AttributeError):
            self._before = None

    def mib(self) -> float | None:
        """Peak resident memory since construction, minus resident memory then; None if unknown."""
        peak = _kib("VmHWM") if self._before is not None else None
        if peak is None or self._before is None:
            return None
        return max(0.0, (peak - self._before) / 1024)


def _kib(field: str) -> int | None:
    match = re.search(rf"^{field}:\s+(\d+) kB", (_PROCESS / "status").read_text(), re.MULTILINE)
    return int(match[1]) if match else None
