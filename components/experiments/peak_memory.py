"""How much memory a piece of work takes, in a process that has done other work before."""

from __future__ import annotations

import ctypes
import gc
import re
from pathlib import Path

_PROCESS = Path("/proc/self")
_RESET_PEAK = "5"
"""Of proc(5), `clear_refs`: the peak begins again at what is resident now."""


class PeakMemory:
    """From its construction on. Linux only."""

    def __init__(self) -> None:
        gc.collect()
        try:
            ctypes.CDLL(None).malloc_trim(0)  # what earlier work freed does not count as ours
            (_PROCESS / "clear_refs").write_text(_RESET_PEAK)
            self._before = _kib("VmRSS")
        except (OSError, AttributeError):
            self._before = None

    def mib(self) -> float | None:
        """The most that was resident since then, less what was resident then; None if unknown."""
        peak = _kib("VmHWM") if self._before is not None else None
        if peak is None or self._before is None:
            return None
        return max(0.0, (peak - self._before) / 1024)


def _kib(field: str) -> int | None:
    found = re.search(rf"^{field}:\s+(\d+) kB", (_PROCESS / "status").read_text(), re.MULTILINE)
    return int(found[1]) if found else None
