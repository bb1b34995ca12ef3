"""Image folders: `<path>/<class>/<file>`, one example per image file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from components.readers.base import BadRecord, Reader, Unit

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class ImageFolderReader(Reader):
    """Columns: `image`, the encoded file; `class`, its folder; `path`, relative to the source."""

    format: Literal["image_folder"] = "image_folder"
    default_key: ClassVar[tuple[str, ...]] = ("path",)

    def units(self, root: Path) -> list[Unit]:
        raise NotImplementedError

    def schema(self, root: Path) -> pa.Schema:
        raise NotImplementedError

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        raise NotImplementedError
