"""Errors."""

from __future__ import annotations

import errno

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class RootstockError(Exception):
    """The user can mend this: bad input, spec or environment. The command line exits with code 2.

    The message names the file, field or row, says what was expected and what to do.
    """
