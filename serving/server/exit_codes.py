"""Exit codes of the embedded server beyond the usual ones."""

from __future__ import annotations

UNLOADABLE = 3
"""Exit code of a server started with `--exit-on-failure` whose model cannot be loaded."""
