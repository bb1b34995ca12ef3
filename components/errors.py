"""Errors that the user can fix, and hints for them."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RootstockError(Exception):
    """The user can mend this: bad input, spec or environment. The command line exits with code 2.

    The message names the file, field or row, says what was expected and what to do.
    """


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The sentence ` Did you mean 'x'?` for the known name that is most like this one; empty if
    none is.
    """
    matches = difflib.get_close_matches(name, list(known), 1)
    return f" Did you mean {matches[0]!r}?" if matches else ""
