"""Interface of readers, which turn raw files of one format into Arrow record batches.

A reader is also its own spec: a frozen dataclass of options, discovered by its `format`. A new
format is a new file in this package.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Literal, Self

from components.data import reads
from components.data.digests import RawFiles
from components.data.lazy import pa
from components.data.objects import is_url
from components.data.reads import Range, Reads, too_large
from components.data.remote_files import RemoteFiles
from models.config import STRICT
from models.masked_url import MaskedUrl, mask_fields

PEEK_ROWS = 1000


@dataclass(frozen=True)
class Unit(Reads):
    """The data that is read together and becomes one shard: some files, or a part of one file.

    root: the directory of the source. files: relative to it.
    start, stop: the range [start, stop) of a single file, counted in what its format divides:
        bytes, row groups or messages. The whole file if stop is None.
    lines: before `start`, where a format counts lines.
    ranges: the bytes of the single file that are read, if that is known and not all of it. Workers
        elsewhere fetch no others.
    digest: of the rows, if the format compares it with the rows as they are read.
    also: further files that are read for these, such as the images of a list.
    """

    root: str
    files: tuple[str, ...]
    start: int = 0
    stop: int | None = None
    digest: str = ""
    also: tuple[str, ...] = ()
    lines: int = 0
    ranges: tuple[Range, ...] = ()

    def files_read(self) -> tuple[str, Sequence[str]]:
        return self.root, (*self.files, *self.also)

    def bytes_read(self) -> Mapping[str, Sequence[Range]]:
        return {self.files[0]: self.ranges} if self.ranges else {}

    @property
    def file(self) -> Path:
        """The path of the file, if it is a single one."""
        return Path(self.root, *self.files)


def units_between(base: Path, name: str, bounds: Iterable[int]) -> list[Unit]:
    """The units of a file that is divided at `bounds`, which include its start and its end."""
    return [Unit(str(base), (name,), a, b) for a, b in pairwise(bounds)]


@dataclass(frozen=True, order=True)
class BadRecord:
    """A record that cannot be read.

    file: relative to the source. position: of the record in the file, from 1, counted in `counted`
    ("line", "record", …); 0 if the whole file is the record.
    rows: the number of rows that are lost with it, such as the lines after a quote that is not
        closed.
    """

    file: str
    position: int
    reason: str
    counted: str = "line"
    rows: int = 1

    def __str__(self) -> str:
        position = f", {self.counted} {self.position}" if self.position else ""
        if self.rows > 1:
            position += f" to {self.position + self.rows - 1}"
        return f"{self.file}{position}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Reader(ABC):
    """A source of examples: where it is and how it is read.

    path: file, directory or glob pattern, also as a URL (`s3://…`). It may contain `{SPAN}`,
        `{VERSION}` or `{YYYY}`, `{MM}`, `{DD}` (see `spans`). The content counts in fingerprints,
        the path does not.
    spans: the spans to read: the latest, the one before it (`previous`), `all`, or a range of
        numbers such as [3, 7].
    split: the split of all rows; without it `data.splits` decides for each row. `unlabelled` rows
        need no labels: `model.pretraining` reads their texts, and nothing else reads them.
    """

    __pydantic_config__ = STRICT
    default_key: ClassVar[tuple[str, ...]] = ()
    """Columns that identify a row; all columns when empty."""
    digested_as_read: ClassVar[bool] = False
    """Whether `read` compares the rows with `Unit.digest`, because there is no file to look at."""

    format: str
    path: MaskedUrl = field(metadata={"fingerprint": False, "path": True})
    split: Literal["train", "val", "test", "unlabelled"] | None = None
    spans: Literal["latest", "previous", "all"] | tuple[int, int] = field(
        default="latest", metadata={"fingerprint": False}
    )

    def __post_init__(self) -> None:
        mask_fields(self)

    @property
    def place(self) -> str:
        """Where the source is, for messages."""
        return self.path

    def with_absolute_path(self, base: str) -> Self:
        """This source with `path` resolved against the directory `base`, unless it is a URL."""
        if is_url(self.path):
            return self
        path = os.path.join(base, os.path.expanduser(self.path))
        return self.at(os.path.normpath(path))

    def at(self, path: str) -> Self:
        """This source at another path."""
        return replace(self, path=MaskedUrl(path))

    def like_this(self, path: str) -> Self:
        """New rows of this format at a path that is relative to the working directory."""
        return replace(self.at(path), split=None).with_absolute_path(os.getcwd())

    def for_new_rows(self, path: str) -> Reader:
        """How `rootstock infer PATH` reads new rows, if this is the first source of the spec."""
        return self.like_this(path)

    @property
    def files(self) -> RawFiles | RemoteFiles:
        """The files of the source."""
        return RemoteFiles(self.path) if is_url(self.path) else RawFiles(self.path)

    @property
    def copy(self) -> Path:
        """Where the files are on this machine: see `components.artifacts.Raw`."""
        return self.files.copy

    @property
    def origin(self) -> RemoteFiles | None:
        """What makes copies of files behind a URL: see `components.artifacts.Raw`."""
        return self.files.origin

    def digest(self, index: Path | None) -> str:
        """The digest of the content: see `components.artifacts.Raw`."""
        return self.files.digest(index)

    def state(self) -> Mapping[str, Sequence[int]]:
        """What changes when a file of the source is written: see `components.artifacts.Raw`."""
        return self.files.state()

    def out_of_reach(self) -> str:
        """Why workers that see nothing of this machine's disk cannot read the source; empty if they
        can.
        """
        size = sum(size for size, *_ in self.state().values()) if self.origin is None else 0
        return too_large(self.place, size) if size > reads.MOST_SENT else ""

    def root(self) -> Path:
        """Where the files are on this machine, after those behind a URL were copied.

        Raises:
            RootstockError: they cannot be read.
        """
        if (origin := self.origin) is not None:
            origin.update()
        return self.copy

    @abstractmethod
    def units(self, root: Path) -> list[Unit]:
        """All units of the source, in a fixed order.

        Raises:
            RootstockError: the source does not exist or does not have the layout of this format.
        """

    @abstractmethod
    def schema(self, root: Path) -> pa.Schema:
        """Column names and types, the same for every unit.

        Raises:
            RootstockError: as for `units`, or a header is invalid.
        """

    @abstractmethod
    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        """The rows of a unit as batches of `schema`, and its bad records, in file order.

        Raises:
            RootstockError: the file cannot be read at all.
        """

    def peek_units(self, root: Path) -> list[Unit]:
        """The same data as `units`, perhaps in fewer units, without a look at all of it."""
        return self.units(root)

    def peek(self, rows: int = PEEK_ROWS) -> pa.Table:
        """The first rows, read fast, without bad records.

        Raises:
            RootstockError: as for `units` and `schema`.
        """
        root = self.root()
        schema = self.schema(root)
        batches: list[pa.RecordBatch] = []
        for item in (item for unit in self.peek_units(root) for item in self.read(unit, schema)):
            if not isinstance(item, BadRecord):
                batches.append(item)
            if sum(b.num_rows for b in batches) >= rows:
                break
        return pa.Table.from_batches(batches, schema).slice(0, rows)
