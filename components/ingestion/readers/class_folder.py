"""Base of formats with one example per file, by default `<path>/<class>/<file>`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from components.data.lazy import pa
from components.data.raw_files import listing
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Reader, Unit
from components.ingestion.readers.files import units_of_files
from components.ingestion.readers.limits import whole_file

BATCH_FILES = 250
PEEK_FILES = 100


@dataclass(frozen=True, kw_only=True)
class ClassFolderReader(Reader):
    """Columns: the content of a file; `class`, its folder; `path`, relative to the source.

    classes: if false, `path` is a folder of files (or one file, or a glob pattern), and there is no
        column `class`. So are new rows, whose classes are not known.
    """

    default_key: ClassVar[tuple[str, ...]] = ("path",)
    content: ClassVar[str]
    """The kind of content, for messages; also the name of its column, of type `arrow_type`."""
    arrow_type: ClassVar[str]

    classes: bool = True

    @abstractmethod
    def value(self, file: bytes) -> tuple[bytes | str, str]:
        """The content of a file, and why it cannot be used; empty if it can be."""

    def units(self, root: Path) -> list[Unit]:
        return units_of_files(*self._files(root))

    def schema(self, root: Path) -> pa.Schema:
        kind = pa.type_for_alias(self.arrow_type)
        classes = [("class", pa.string())] if self.classes else []
        return pa.schema([(self.content, kind), *classes, ("path", pa.string())])

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        for start in range(0, len(unit.files), BATCH_FILES):
            values: list[bytes | str] = []
            names: list[str] = []
            for name in unit.files[start : start + BATCH_FILES]:
                file, problem = whole_file(Path(unit.root, name))
                value, problem = (b"", problem) if problem else self.value(file)
                if problem:
                    yield BadRecord(name, 0, problem)
                else:
                    values.append(value)
                    names.append(name)
            classes = [[_class_of(name) for name in names]] if self.classes else []
            yield pa.RecordBatch.from_arrays([values, *classes, names], schema=schema)

    def peek(self, rows: int = 1000) -> pa.Table:
        """A few files of every class, so that all classes occur."""
        root, files = self._files(self.root())
        classes: dict[str, list[str]] = {}
        for name in files:
            classes.setdefault(_class_of(name) if self.classes else "", []).append(name)
        per_class = max(1, min(rows, PEEK_FILES) // len(classes))
        few = [name for names in classes.values() for name in names[:per_class]][:rows]
        schema = self.schema(root)
        items = self.read(Unit(str(root), tuple(few)), schema)
        return pa.Table.from_batches([b for b in items if not isinstance(b, BadRecord)], schema)

    def for_new_rows(self, path: str) -> Reader:
        """A folder without folders in it, a file or a glob pattern holds files without classes."""
        by_class = Path(path).is_dir() and any(f.is_dir() for f in Path(path).glob("[!.]*"))
        return replace(self.like_this(path), classes=self.classes and by_class)

    def _files(self, root: Path) -> tuple[Path, list[str]]:
        """A directory, and the names of the files in it."""
        if not self.classes:
            return listing(root)
        if not root.is_dir():
            problem = "is a file" if root.is_file() else "does not exist"
            raise RootstockError(f"{root}: {problem}. Expected a folder with one folder per class.")
        classes = sorted(d.name for d in root.iterdir() if d.is_dir() and d.name[0] != ".")
        if not classes:
            raise RootstockError(f"{root}: has no folders. Expected <class>/<{self.content} file>.")
        names = [n for n in listing(root)[1] if "/" in n] if any(root.glob("*/**/*")) else []
        for name in sorted(set(classes) - {_class_of(n) for n in names}):
            raise RootstockError(
                f"{root / name}: has no {self.content}s. Expected at least one per class folder."
                " Remove the folder if it is not a class."
            )
        return root, names


def _class_of(name: str) -> str:
    return name.split("/", 1)[0]
