"""Text folders: `<path>/<class>/<file>`, one example per text file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from components.ingestion.readers.class_folder import ClassFolderReader
from components.ingestion.readers.text_values import Encoding


@dataclass(frozen=True, kw_only=True)
class TextFolderReader(ClassFolderReader):
    """Columns: `text`, the content of the file; `class`, its folder; `path`, relative to the
    source.
    """

    format: Literal["text_folder"] = "text_folder"
    content: ClassVar[str] = "text"
    arrow_type: ClassVar[str] = "string"
    encoding: Encoding = "utf-8"

    def value(self, file: bytes) -> tuple[bytes | str, str]:
        try:
            return file.decode(self.encoding).removeprefix("\ufeff"), ""
        except UnicodeDecodeError as e:
            return "", f"is not {self.encoding} text ({e.reason} at byte {e.start})"
