"""Image folders: `<path>/<class>/<file>`, one example per image file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from components.data.images import image_problem
from components.ingestion.readers.class_folder import ClassFolderReader


@dataclass(frozen=True, kw_only=True)
class ImageFolderReader(ClassFolderReader):
    """Columns: `image`, the encoded file; `class`, its folder; `path`, relative to the source."""

    format: Literal["image_folder"] = "image_folder"
    content: ClassVar[str] = "image"
    arrow_type: ClassVar[str] = "binary"

    def value(self, file: bytes) -> tuple[bytes | str, str]:
        return file, image_problem(file)
