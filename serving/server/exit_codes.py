"""Exit codes of the embedded server beyond the usual ones."""

from __future__ import annotations

UNLOADABLE = 3
"""A model cannot be loaded and `--exit-on-failure` is set."""
