"""What a reader is: it turns raw files of one format into Arrow record batches.

A reader is also its own spec: a frozen dataclass of options, found by package scan under its
`format`. A new format is a new file in this package.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from models.inputs import STRICT

if TYPE_CHECKING:
    import pyarrow as pa

PEEK_ROWS = 1000


@dataclass(frozen=True)
class Unit:
    """What is read in one go and becomes one shard: some files, or row groups of one file.

    root: the source's path. files: relative to it (to its directory, where it is a file or glob).
    start, stop: row groups [start, stop) of the only file; all of it where stop is None.
    """

    root: str
    files: tuple[str, ...]
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, order=True)
class BadRecord:
    """A record that cannot be read.

    file: relative to the source. line: from 1; 0 where the whole file is the record.
    """

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}{f', line {self.line}' if self.line else ''}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Reader(ABC):
    """A source of examples: where it is and how it is read.

    path: file, directory or glob pattern. Not part of any fingerprint: content is.
    split: all rows go to this split; by the hash of their key when absent.
    """

    __pydantic_config__ = STRICT
    default_key: ClassVar[tuple[str, ...]] = ()
    """Columns that identify a row; all columns when empty."""

    format: str
    path: str = field(metadata={"fingerprint": False})
    split: Literal["train", "val", "test"] | None = None

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
