"""Files of a source: which are read together, errors of reading them."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from components.data.lazy import pa
from components.data.raw_files import listing
from components.errors import RootstockError
from components.ingestion.columns import merge_schemas
from components.ingestion.readers.base import Reader, Unit

WHOLE = "Expected a whole file: it may be damaged or incomplete, so copy or write it again."
UNIT_FILES = 1000
UNIT_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class FilesReader(Reader):
    """A format in which every file has its own columns; those of the source are all of them."""

    untyped: ClassVar[str] = "null"
    """Arrow type of columns without values. With "null", a value in such a column is a bad record.
    """

    def file_units(self, base: Path, name: str) -> list[Unit]:
        """The units of one file: the whole file, unless a format can divide it."""
        return [Unit(str(base), (name,))]

    @abstractmethod
    def file_schema(self, file: Path) -> pa.Schema:
        """Column names and types of one file.

        Raises:
            RootstockError: the file cannot be read.
        """

    def units(self, root: Path) -> list[Unit]:
        base, names = listing(root)
        return [unit for name in names for unit in self.file_units(base, name)]

    def schema(self, root: Path) -> pa.Schema:
        base, names = listing(root)
        schemas = [(str(base / name), self.file_schema(base / name)) for name in names]
        return merge_schemas(schemas, pa.type_for_alias(self.untyped))


def whole_files(root: Path) -> list[Unit]:
    """A unit for each file of a source."""
    base, names = listing(root)
    return [Unit(str(base), (name,)) for name in names]


@contextmanager
def reading(
    file: Path, problem: str = "cannot be read", *errors: type[Exception]
) -> Iterator[None]:
    """Turn errors of reading a file into a message that names the file and the problem.

    errors: types beside those of Arrow, of the operating system and of values. Memory counts: a
        damaged length asks for more than there is.

    Raises:
        RootstockError: the file cannot be read.
    """
    try:
        yield
    except (
        *(pa.ArrowException, OSError, EOFError, ValueError, OverflowError, MemoryError),
        *errors,
    ) as e:
        cause = str(e).strip().rstrip(".") or type(e).__name__
        raise RootstockError(f"{file}: {problem}: {cause}. {WHOLE}") from e


def units_of_files(root: Path, names: list[str]) -> list[Unit]:
    """Groups many small files, in order, into units of limited number and size."""
    chunks, chunk_size = [list[str]()], 0
    for name in names:
        size = os.stat(root / name).st_size
        if chunks[-1] and (len(chunks[-1]) == UNIT_FILES or chunk_size + size > UNIT_BYTES):
            chunks.append([])
            chunk_size = 0
        chunks[-1].append(name)
        chunk_size += size
    return [Unit(str(root), tuple(chunk)) for chunk in chunks if chunk]
