"""Errors that users can fix, and phrases for their messages."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Sequence

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RootstockError(Exception):
    """A problem that the user can fix: bad input, spec or environment. The command line exits with
    code 2.

    The message names the file, field or row, what was expected, and what to do.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The sentence ` Did you mean 'x'?` for the known name that is most like this one; empty if
    none is.
    """
    matches = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def listed(counts: Sequence[tuple[str, int]], most: int = 5) -> str:
    """Some values with their row counts, as text."""
    shown = ", ".join(f"{v!r} ({n} rows)" for v, n in counts[:most])
    return shown + (f" and {len(counts) - most} more" if len(counts) > most else "")
