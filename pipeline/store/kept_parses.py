"""What was read from source files, kept for the next process beside the compiled modules.

To read the 300 files of a run anew takes longer than all else that a fully cached run does.
"""

from __future__ import annotations

import json
import os
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

LARGEST = 3000
"""Entries in the file, at most: more are of earlier versions of the source files."""


class KeptParses:
    """JSON values by a key that stands for the content of a source file."""

    def __init__(self, source: Path) -> None:
        """source: a source file; the values lie in the folder of its compiled module."""
        self._file = Path(cache_from_source(str(source))).with_name("parses.json")
        self._used: dict[str, Any] = {}
        self._added = False
        try:
            self._earlier: dict[str, Any] = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            self._earlier = {}

    def get(self, key: str) -> Any:
        """The value; None if there is none."""
        if key in self._earlier:
            self._used[key] = self._earlier[key]
        return self._used.get(key)

    def add(self, key: str, value: Any) -> None:
        self._used[key] = value
        self._added = True

    def save(self) -> None:
        """Write the values, if there are new ones and Python's compiled modules lie there too."""
        if not self._added:
            return
        together = self._earlier | self._used
        new = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            new.write_text(json.dumps(together if len(together) <= LARGEST else self._used))
            new.replace(self._file)
        except OSError:  # read-only, or without compiled modules: read them again next time
            return
        self._added = False
