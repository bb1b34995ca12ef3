"""The largest sizes that readers accept, so that one record cannot fill the memory.

A record above its limit is a bad record where its end is known, and else an error that names the
file.
"""

from __future__ import annotations

from pathlib import Path

from components.data.raw_files import not_regular

RECORD_BYTES = 1 << 27
"""Of an image, a text, a JSON line or a TFRecord."""
MESSAGE_BYTES = 1 << 26
"""Of an e-mail, whose parser needs about ten times this memory."""
MIME_LEVELS = 100
"""Of parts inside of parts of an e-mail, as in Postfix."""
MIME_PARTS = 10_000
HEADERS = 10_000
"""Of an e-mail or one of its parts."""
CONTENT_HEADER_CHARS = 1 << 14
"""Of Content-Type and its kin: the time to read their parameters grows with the square."""
COLUMNS = 20_000
"""Of a delimited file."""


def too_large(size: int, limit: int) -> str:
    """Why something of this size is not read; empty if it is small enough."""
    if size <= limit:
        return ""
    return f"has {size:,} bytes; expected at most {limit >> 20} MiB"


def whole_file(file: Path, limit: int = RECORD_BYTES) -> tuple[bytes, str]:
    """The content of a file that is one record, and why it cannot be used; empty if it can be."""
    if problem := not_regular(file):
        return b"", problem
    try:
        with open(file, "rb") as opened:
            content = opened.read(limit + 1)
            size = len(content) if len(content) <= limit else file.stat().st_size
    except OSError as e:
        return b"", f"cannot be read ({e.strerror})"
    problem = too_large(size, limit)
    return (b"", problem) if problem else (content, "")
