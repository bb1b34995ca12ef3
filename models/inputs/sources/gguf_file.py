"""Reads the header of a GGUF file: its metadata, and where its tensors lie.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

MAGIC, VERSIONS = b"GGUF", (2, 3)
NUMBERS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
"""Formats of the `struct` module by type of a metadata value."""
STRING, ARRAY = 8, 9
MAX_AXES = 4


class GgufError(ValueError):
    """A GGUF file cannot be read or used: what was expected, what was received, what to do."""


@dataclass(frozen=True)
class TensorPlace:
    """shape: outermost axis first, as in NumPy. format: number of the tensor type, see
    `models.trunks.sources.gguf_tensors`. offset: bytes from the start of the file.
    """

    shape: tuple[int, ...]
    format: int
    offset: int

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)


@dataclass(frozen=True)
class GgufFile:
    """metadata: values by key: numbers, strings and lists of them."""

    path: Path
    metadata: Mapping[str, Any]
    tensors: Mapping[str, TensorPlace]

    @property
    def architecture(self) -> str:
        return str(self.metadata.get("general.architecture", ""))

    def of_architecture(self, key: str, otherwise: Any = None) -> Any:
        """The value of `<architecture>.<key>`.

        Raises:
            GgufError: there is none, and `otherwise` is None.
        """
        key = f"{self.architecture}.{key}"
        value = self.metadata.get(key, otherwise)
        if value is None:
            raise GgufError(f"{self.path}: its metadata has no {key!r}. Take a complete GGUF file.")
        return value


def is_gguf(path: str | Path) -> bool:
    """Whether a path is that of a file with the first bytes of a GGUF file."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_gguf(path: str | Path) -> GgufFile:
    """The header of a file.

    Raises:
        GgufError: it is missing, damaged, or not a GGUF file that this module reads.
    """
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(Path(path), data)
    except OSError as e:
        raise GgufError(f"{path}: {e.strerror or e}. Expected a GGUF file.") from e
    except (struct.error, UnicodeDecodeError, ValueError) as e:
        if isinstance(e, GgufError):
            raise
        raise GgufError(
            f"{path}: its header is damaged or cut off ({e}). Download the file again."
        ) from e


def _read(path: Path, data: mmap.mmap) -> GgufFile:
    if data[:4] != MAGIC:
        raise GgufError(f"{path}: expected a GGUF file. Received: it begins with {data[:4]!r}.")
    cursor = _Cursor(data, 4)
    version = cursor.number("I")
    if version not in VERSIONS:
        raise GgufError(
            f"{path}: GGUF version {version}. Expected version 2 or 3, little-endian; convert the"
            " model again with a current llama.cpp."
        )
    num_tensors, num_values = cursor.number("Q"), cursor.number("Q")
    metadata = {cursor.string(): cursor.value(cursor.number("I")) for _ in range(num_values)}
    if metadata.get("split.count", 1) > 1:
        raise GgufError(
            f"{path}: one of {metadata['split.count']} parts of a model. Expected a single file;"
            " merge the parts with `llama-gguf-split --merge`."
        )
    places = {}
    for _ in range(num_tensors):
        name, axes = cursor.string(), cursor.number("I")
        if axes > MAX_AXES:
            raise ValueError(f"tensor {name!r} has {axes} axes")
        shape = tuple(cursor.number("Q") for _ in range(axes))[::-1]
        places[name] = TensorPlace(shape, cursor.number("I"), cursor.number("Q"))
    alignment = metadata.get("general.alignment", 32)
    start = -(-cursor.position // alignment) * alignment
    tensors = {n: TensorPlace(p.shape, p.format, start + p.offset) for n, p in places.items()}
    return GgufFile(path, metadata, tensors)


@dataclass
class _Cursor:
    """Reads values one after the other. All raise ValueError where the data end too early."""

    data: mmap.mmap
    position: int

    def numbers(self, code: str, count: int) -> list[Any]:
        size = struct.calcsize(f"<{code}") * count
        if size > len(self.data) - self.position:
            raise ValueError(f"{count:,} numbers are announced at byte {self.position:,}")
        values = struct.unpack_from(f"<{count}{code}", self.data, self.position)
        self.position += size
        return list(values)

    def number(self, code: str) -> Any:
        return self.numbers(code, 1)[0]

    def string(self) -> str:
        length = self.number("Q")
        end = self.position + length
        if end > len(self.data):
            raise ValueError(f"a string of {length:,} bytes is announced at byte {self.position:,}")
        text = self.data[self.position : end].decode()
        self.position = end
        return text

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            kind, count = self.number("I"), self.number("Q")
            if kind in NUMBERS:
                return self.numbers(NUMBERS[kind], count)
            return [self.value(kind) for _ in range(count)]
        if kind not in NUMBERS:
            raise ValueError(f"metadata of type {kind} at byte {self.position:,}")
        return self.number(NUMBERS[kind])
