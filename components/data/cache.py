"""The directory on this machine for copies of what is elsewhere.

It is `$ROOTSTOCK_CACHE`, or `rootstock` in the user's directory of caches.
"""

from __future__ import annotations

import os
from pathlib import Path

CACHE = "ROOTSTOCK_CACHE"


def cache() -> Path:
    """The directory; it may not exist yet."""
    if place := os.environ.get(CACHE):
        return Path(place).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "rootstock"
