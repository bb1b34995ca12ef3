"""Image manifests: a table with image paths and labels, stored beside the images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from components.data.digests import RawFiles, digest_files, states
from components.data.images import image_problem
from components.data.lazy import pa
from components.data.number_texts import NumberFormat
from components.data.objects import is_url
from components.data.raw_files import not_regular
from components.data.remote_files import RemoteFiles
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Reader, Unit
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.readers.image_folder import ImageFolderReader
from components.ingestion.readers.limits import whole_file
from components.ingestion.readers.text_values import ColumnType
from models.masked_url import MaskedUrl

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp")
UNIT_ROWS = 1000
MAX_PARTS = 64
"""Largest number of units of a manifest, because each unit reads the whole table."""
BATCH_ROWS = 250
BATCH_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True)
class ImageManifestReader(Reader):
    """Columns: those of a delimited file, and `image`, the encoded file named in its path column.

    column: the column with the paths, which are relative to the manifest. If it is itself called
        `image`, the images take the place of their paths. The other options are those of `csv`.
    """

    format: Literal["image_manifest"] = "image_manifest"
    column: str = "path"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    columns: tuple[str, ...] = ()
    null_values: tuple[str, ...] | Mapping[str, tuple[str, ...]] = ("",)
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    number_formats: Mapping[str, NumberFormat] = field(default_factory=dict)
    image: ClassVar[str] = "image"

    def for_new_rows(self, path: str) -> Reader:
        """Images without a manifest, if the path is a folder, an image or a pattern of them."""
        if not Path(path).is_dir() and Path(path).suffix.lower() not in SUFFIXES:
            return self.like_this(path)
        return ImageFolderReader(path=self.path, classes=False).like_this(path)

    @property
    def files(self) -> RawFiles | RemoteFiles:
        """The manifest or, of one behind a URL, everything in its directory."""
        directory = self.path.reveal().rpartition("/")[0]
        return RemoteFiles(MaskedUrl(directory)) if is_url(self.path) else RawFiles(self.path)

    @property
    def copy(self) -> Path:
        copy = self.files.copy
        return copy / self.path.rpartition("/")[2] if is_url(self.path) else copy

    def digest(self, index: Path | None) -> str:
        """The digest of the manifest and of all images that exist."""
        if index is not None:
            self.root()
        return digest_files(*self._files(), index)

    def state(self) -> Mapping[str, Sequence[int]]:
        try:
            return states(*self._files())
        except RootstockError:  # no manifest any more, or no longer one
            return {}

    def _files(self) -> tuple[Path, list[str]]:
        """The directory of the manifest; the manifest and all images that exist."""
        file = self.copy
        paths = self._table(file)[0].column(self.column).drop_null().unique().to_pylist()
        return file.parent, [file.name, *(p for p in paths if not not_regular(file.parent / p))]

    def units(self, root: Path) -> list[Unit]:
        images = self._table(root)[0].column(self.column).to_pylist()
        size = max(UNIT_ROWS, -(-len(images) // MAX_PARTS))
        return [
            Unit(str(root.parent), (root.name,), a, a + size, also=_named(images[a : a + size]))
            for a in range(0, max(len(images), 1), size)
        ]

    def schema(self, root: Path) -> pa.Schema:
        table, _ = self._table(root)
        others = [column for column in table.schema if column.name != self.image]
        return pa.schema([*others, pa.field(self.image, pa.binary())])

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        table, bad = self._table(unit.file)
        if not unit.start:
            yield from bad
        rows = table.slice(unit.start, (unit.stop or table.num_rows) - unit.start)
        for batch in rows.to_batches(max_chunksize=BATCH_ROWS):
            images: list[bytes | None] = []
            start = size = 0
            for path in batch.column(self.column).to_pylist():
                image, problem = _image(unit.root, path)
                if problem:
                    yield BadRecord(str(path), 0, problem)
                images.append(None if problem else image)
                size += len(image)
                if size > BATCH_BYTES:
                    yield _with_images(batch.slice(start, len(images)), images, schema)
                    start, size, images = start + len(images), 0, []
            yield _with_images(batch.slice(start), images, schema)

    def _table(self, file: Path) -> tuple[pa.Table, list[BadRecord]]:
        table = CsvReader(
            path=MaskedUrl(str(file)),
            delimiter=self.delimiter,
            columns=self.columns,
            null_values=self.null_values,
            types=self.types,
            number_formats=self.number_formats,
        )
        if not file.is_file():
            raise RootstockError(f"{file}: is no file. Expected a delimited file with image paths.")
        schema = table.schema(file)
        if self.column not in schema.names:
            raise RootstockError(
                f"{file}: no column {self.column!r}, which should have the image paths. Its"
                f" columns: {', '.join(schema.names)}. Set `column` to the one with the paths."
            )
        if schema.field(self.column).type != pa.string():
            raise RootstockError(
                f"{file}: column {self.column!r} has numbers. Expected image paths."
            )
        if self.image in schema.names and self.column != self.image:
            raise RootstockError(
                f"{file}: has a column {self.image!r} that is not the one with the paths,"
                f" {self.column!r}. The images get this name: rename the column."
            )
        items = [item for unit in table.units(file) for item in table.read(unit, schema)]
        bad = [item for item in items if isinstance(item, BadRecord)]
        batches = [item for item in items if not isinstance(item, BadRecord)]
        return pa.Table.from_batches(batches, schema), bad


def _named(images: list[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(image for image in images if image))


def _with_images(
    rows: pa.RecordBatch, images: list[bytes | None], schema: pa.Schema
) -> pa.RecordBatch:
    """The rows that have an image."""
    column = pa.array(images, pa.binary())
    others = [rows.column(name) for name in schema.names[:-1]]
    whole = pa.RecordBatch.from_arrays([*others, column], schema=schema)
    return whole.filter(column.is_valid())


def _image(base: str, path: str | None) -> tuple[bytes, str]:
    """An encoded image, and why it cannot be used; empty if it can be."""
    if path is None:
        return b"", "a row has no image path"
    image, problem = whole_file(Path(base, path))
    return image, problem or image_problem(image)
