"""Image folders: `<path>/<class>/<file>`, one example per image file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from components.arrow import pa
from components.readers.base import BadRecord, Reader, Unit
from components.readers.files import listing
from components.stage import RootstockError

FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP")  # MPO is what some cameras' JPEG files are called
UNIT_FILES = 1000
UNIT_BYTES = 1 << 26
BATCH_FILES = 250
PEEK_IMAGES = 100


@dataclass(frozen=True, kw_only=True)
class ImageFolderReader(Reader):
    """Columns: `image`, the encoded file; `class`, its folder; `path`, relative to the source."""

    format: Literal["image_folder"] = "image_folder"
    default_key: ClassVar[tuple[str, ...]] = ("path",)

    def units(self, root: Path) -> list[Unit]:
        names = self._images(root)
        chunks: list[list[str]] = [[]]
        size = 0
        for name in names:
            more = os.stat(root / name).st_size
            if chunks[-1] and (len(chunks[-1]) == UNIT_FILES or size + more > UNIT_BYTES):
                chunks.append([])
                size = 0
            chunks[-1].append(name)
            size += more
        return [Unit(str(root), tuple(chunk)) for chunk in chunks]

    def schema(self, root: Path) -> pa.Schema:
        return pa.schema([("image", pa.binary()), ("class", pa.string()), ("path", pa.string())])

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        for start in range(0, len(unit.files), BATCH_FILES):
            images: list[bytes] = []
            names: list[str] = []
            for name in unit.files[start : start + BATCH_FILES]:
                with open(os.path.join(unit.root, name), "rb") as file:
                    image = file.read()
                reason = fault(image)
                if reason:
                    yield BadRecord(name, 0, reason)
                else:
                    images.append(image)
                    names.append(name)
            classes = [n.split("/", 1)[0] for n in names]
            yield pa.RecordBatch.from_arrays([images, classes, names], schema=schema)

    def peek(self, rows: int = 1000) -> pa.Table:
        """A few images of every class, so that all classes show."""
        root = Path(self.path)
        classes: dict[str, list[str]] = {}
        for name in self._images(root):
            classes.setdefault(name.split("/", 1)[0], []).append(name)
        each = max(1, min(rows, PEEK_IMAGES) // len(classes))
        few = [name for names in classes.values() for name in names[:each]][:rows]
        schema = self.schema(root)
        found = self.read(Unit(str(root), tuple(few)), schema)
        return pa.Table.from_batches([b for b in found if not isinstance(b, BadRecord)], schema)

    def _images(self, root: Path) -> list[str]:
        """All files in class folders, sorted."""
        if not root.is_dir():
            what = "is a file" if root.is_file() else "does not exist"
            raise RootstockError(f"{root}: {what}. Expected a folder with a folder per class.")
        classes = sorted(d.name for d in root.iterdir() if d.is_dir() and d.name[0] != ".")
        if not classes:
            raise RootstockError(f"{root}: holds no folders. Expected <class>/<image file>.")
        names = [n for n in listing(root)[1] if "/" in n] if any(root.glob("*/**/*")) else []
        for name in sorted(set(classes) - {n.split("/", 1)[0] for n in names}):
            raise RootstockError(
                f"{root / name}: holds no images. Expected at least one for each class folder;"
                " remove the folder if there is no such class."
            )
        return names


def fault(image: bytes) -> str:
    """Why an encoded image cannot be used; empty if it can."""
    from PIL import Image, UnidentifiedImageError

    if not image:
        return "the file is empty"
    try:
        with Image.open(io.BytesIO(image)) as opened:
            if opened.format not in FORMATS:
                return f"is {opened.format}; expected JPEG, PNG, GIF or BMP"
            opened.load()
    except UnidentifiedImageError:
        return "is not an image; expected JPEG, PNG, GIF or BMP"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        return f"cannot be decoded: {e}"
    return ""
