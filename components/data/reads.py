"""What work reads, and whether workers on other machines can be sent it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

MOST_SENT = 1 << 28
"""Bytes of files of this machine that are sent to workers elsewhere, for a stage."""


Range = tuple[int, int]
"""The bytes [start, stop) of a file."""


class Reads(ABC):
    """An item of work that names a directory and reads only some files in it."""

    @abstractmethod
    def files_read(self) -> tuple[str, Sequence[str]]:
        """The directory, and the files that are read, relative to it."""

    def bytes_read(self) -> Mapping[str, Sequence[Range]]:
        """By file, the bytes that are read, if that is not all of it."""
        return {}


def too_large(place: str, size: int) -> str:
    """Why files of this machine are not sent to workers."""
    return (
        f"{place}: is on this machine, and the workers of the runner may be on others. Files of up"
        f" to {MOST_SENT / 1e6:.0f} MB are sent to them; these are {size / 1e6:,.0f} MB. Copy them"
        " to the bucket of the store, and name their URL in the spec."
    )
