"""What a reader is: it turns raw files of one format into Arrow record batches.

A reader is also its own spec: a frozen dataclass of options, found by package scan under its
`format`. A new format is a new file in this package.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from components.data.digests import digest_source
from models.config import STRICT

if TYPE_CHECKING:
    import pyarrow as pa

PEEK_ROWS = 1000


@dataclass(frozen=True)
class Unit:
    """What is read in one go and becomes one shard: some files, or a part of one file.

    root: the source's path. files: relative to it (to its directory, where it is a file or glob).
    start, stop: the part [start, stop) of the only file in what its format counts: bytes, row
        groups, messages; all of it where stop is None.
    """

    root: str
    files: tuple[str, ...]
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, order=True)
class BadRecord:
    """A record that cannot be read.

    file: relative to the source. position: from 1, of what `counted` names; 0 where the whole file
    is the record.
    """

    file: str
    position: int
    reason: str
    counted: str = "line"

    def __str__(self) -> str:
        where = f", {self.counted} {self.position}" if self.position else ""
        return f"{self.file}{where}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Reader(ABC):
    """A source of examples: where it is and how it is read.

    path: file, directory or glob pattern; `{SPAN}`, `{VERSION}` or `{YYYY}`, `{MM}`, `{DD}` in it
        name spans (see `spans`). Not part of any fingerprint: content is.
    spans: which of them: the latest, the one before, all, or those from one number to another.
    split: all rows go to this split; by the hash of their key when absent.
    """

    __pydantic_config__ = STRICT
    default_key: ClassVar[tuple[str, ...]] = ()
    """Columns that identify a row; all columns when empty."""

    format: str
    path: str = field(metadata={"fingerprint": False})
    split: Literal["train", "val", "test"] | None = None
    spans: Literal["latest", "previous", "all"] | tuple[int, int] = field(
        default="latest", metadata={"fingerprint": False}
    )

    @property
    def place(self) -> str:
        """Where it is, as messages say it."""
        return self.path

    def located(self, base: str) -> Self:
        """With `path` made absolute from the directory `base`."""
        path = os.path.join(base, os.path.expanduser(self.path))
        return replace(self, path=os.path.normpath(path))

    def digest(self, index: Path) -> str:
        """Of the content. index: a directory that remembers what was read before.

        Raises:
            RootstockError: nothing is there.
        """
        return digest_source(self.path, index)

    @abstractmethod
    def units(self, root: Path) -> list[Unit]:
        """Everything to read, in a fixed order.

        Raises:
            RootstockError: nothing is there, or it is laid out otherwise than this format is.
        """

    @abstractmethod
    def schema(self, root: Path) -> pa.Schema:
        """Column names and types, the same for every unit.

        Raises:
            RootstockError: as `units`; or for a header that does not do.
        """

    @abstractmethod
    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        """The rows of a unit as batches of `schema`, and its bad records, in file order.

        Raises:
            RootstockError: the file as a whole cannot be read.
        """

    def peek(self, rows: int = PEEK_ROWS) -> pa.Table:
        """The first rows, fast; bad records are left out.

        Raises:
            RootstockError: as `units` and `schema`.
        """
        import pyarrow as pa

        root = Path(self.path)
        schema = self.schema(root)
        batches: list[pa.RecordBatch] = []
        for unit in self.units(root):
            for item in self.read(unit, schema):
                if not isinstance(item, BadRecord):
                    batches.append(item)
                if sum(b.num_rows for b in batches) >= rows:
                    return pa.Table.from_batches(batches, schema).slice(0, rows)
        return pa.Table.from_batches(batches, schema)
