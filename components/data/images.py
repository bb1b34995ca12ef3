"""Encoded images outside TensorFlow: the checks and the pixels of the model's graph, with Pillow.

`models.inputs.layers.image_headers`, `.exif` and `.gif` have the same rules in TensorFlow
operations: an image that ingestion accepts is decoded in training and by a server, and the other
way round. `tests/contract/test_images.py` holds the two to the same answers.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from models.inputs.image import (
    BMP_EXPECTED,
    DAMAGED,
    EMPTY,
    MAX_BLOCKS,
    MAX_PIXELS,
    NOT_AN_IMAGE,
    ORIENTATION,
    PIXELS_EXPECTED,
)

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageError(ValueError):
    """Why an encoded image is not accepted, as the end of a sentence: "is empty"."""


@dataclass(frozen=True)
class ImageHeader:
    """width, height: as stored. orientation: EXIF's, 1 (upright) to 8.

    content: the parts of the file that count, as a file: of a GIF the first frame, of a PNG or JPEG
        without texts, profiles and the like.
    """

    format: str
    width: int
    height: int
    content: bytes
    orientation: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the upright image."""
        turned = self.orientation > 4
        return (self.height, self.width) if turned else (self.width, self.height)


def image_problem(encoded: bytes) -> str:
    """Why an encoded image cannot be used; empty if it can be."""
    try:
        with opened(encoded) as image:
            image.load()
    except ImageError as e:
        return str(e)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as e:
        return f"cannot be decoded: {e}"
    return ""


def opened(encoded: bytes) -> Image:
    """An image whose pixels have not been read yet.

    Raises:
        ImageError: its header is not accepted.
    """
    from PIL import Image, UnidentifiedImageError

    header = image_header(encoded)
    try:
        return Image.open(io.BytesIO(header.content), formats=[header.format])
    except UnidentifiedImageError as e:
        raise ImageError(DAMAGED) from e


def pixels(encoded: bytes, grey: bool = False) -> Image:
    """The image that the model sees before it is resized: mode RGB or L, upright, without alpha.

    Raises:
        ImageError, OSError, SyntaxError, ValueError: it cannot be decoded.
    """
    from PIL import Image

    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    with opened(encoded) as image:
        decoded = in_colour(image)
    if grey:
        decoded = decoded.convert("L")
    turn = turns.get(image_header(encoded).orientation)
    return decoded if turn is None else decoded.transpose(turn)


def in_colour(image: Image) -> Image:
    """Mode RGB. Of 16 bits the upper 8 count, as in TensorFlow; Pillow would cut off above 255."""
    if image.mode.startswith("I"):
        image = image.point(lambda level: level / 256).convert("L")
    return image.convert("RGB")


def image_header(encoded: bytes) -> ImageHeader:
    """What an image says about itself, read from its first bytes.

    Raises:
        ImageError: it is empty, of another format, too large or damaged.
    """
    if not encoded:
        raise ImageError(EMPTY)
    for start, read in _FORMATS.items():
        if encoded.startswith(start):
            try:
                header = read(encoded)
            except (struct.error, IndexError) as e:
                raise ImageError(DAMAGED) from e
            if header.width < 1 or header.height < 1:
                raise ImageError(DAMAGED)
            if header.width * header.height > MAX_PIXELS:
                raise ImageError(f"has {header.width} x {header.height} pixels. {PIXELS_EXPECTED}")
            return header
    raise ImageError(NOT_AN_IMAGE)


def _png(encoded: bytes) -> ImageHeader:
    if encoded[12:16] != b"IHDR":
        raise ImageError(DAMAGED)
    width, height = struct.unpack_from(">II", encoded, 16)
    content = _png_content(encoded)
    return ImageHeader("PNG", width, height, content, _orientation(_png_exif(encoded)))


def _png_content(encoded: bytes) -> bytes:
    """Only the chunks without which there is no image, whose checksums libpng insists on."""
    parts, at, kind = [encoded[:8]], 8, b""
    while kind != b"IEND":
        size, kind = struct.unpack_from(">I4s", encoded, at)
        stop = at + 12 + size
        if not kind.isalpha() or stop > len(encoded):
            raise ImageError(DAMAGED)
        if kind[:1].isupper():
            (checksum,) = struct.unpack_from(">I", encoded, stop - 4)
            if kind not in _PNG_CHUNKS or zlib.crc32(encoded[at + 4 : stop - 4]) != checksum:
                raise ImageError(DAMAGED)
            parts.append(encoded[at:stop])
        at = stop
    return b"".join(parts)


def _png_exif(encoded: bytes) -> bytes:
    at = 8
    for _ in range(MAX_BLOCKS + 1):
        size, kind = struct.unpack(">I4s", _bytes(encoded, at, 8))
        if kind == b"eXIf":
            return encoded[at + 8 : at + 8 + size]
        if kind in (b"IDAT", b"\0\0\0\0"):
            break
        at += 12 + size
    return b""


def _jpeg(encoded: bytes) -> ImageHeader:
    kept, last = [], 0
    for marker, at in _markers(encoded):
        if marker in (0xE1, 0xE2):  # EXIF and the like: Pillow reads them, and they may be damaged
            kept.append(encoded[last : at - 2])
            last = at + struct.unpack_from(">H", encoded, at)[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", encoded, at + 3)
            if encoded.rfind(b"\xff\xd9") < at:
                break
            content = b"".join([*kept, encoded[last:]])
            return ImageHeader("JPEG", width, height, content, _orientation(_jpeg_exif(encoded)))
    raise ImageError(DAMAGED)


def _markers(encoded: bytes) -> Iterator[tuple[int, int]]:
    """Each marker before the pixels, and where the length of its segment is."""
    at = 2
    while (at := encoded.find(b"\xff", at)) >= 0:
        while encoded[at] == 0xFF:
            at += 1
        marker, at = encoded[at], at + 1
        if marker in (0xD9, 0xDA):
            return
        if marker > 0x01 and not 0xD0 <= marker <= 0xD8:
            yield marker, at
            at += struct.unpack_from(">H", encoded, at)[0]


def _jpeg_exif(encoded: bytes) -> bytes:
    """Only from the segments that applications write before all others, as the standard wants."""
    at = 2
    for _ in range(MAX_BLOCKS + 1):
        first, marker, size = struct.unpack(">BBH", _bytes(encoded, at, 4))
        if first != 0xFF or not (0xE0 <= marker <= 0xEF or marker == 0xFE) or size < 2:
            break
        if marker == 0xE1 and encoded[at + 4 : at + 10] == b"Exif\0\0":
            return encoded[at + 10 : at + 2 + size]
        at += 2 + size
    return b""


def _orientation(exif: bytes) -> int:
    """From a TIFF header and its first directory; 1 if it is not there, or makes no sense."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 14:
        return 1
    (directory,) = struct.unpack_from(f"{order}I", exif, 4)
    (count,) = struct.unpack(f"{order}H", _bytes(exif, directory, 2))
    entries = exif[directory + 2 :][: 12 * count]
    for at in range(0, len(entries) - 11, 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", entries, at)
        if (tag, kind) == (ORIENTATION, 3):
            return value if 1 <= value <= 8 else 1
    return 1


def _bytes(encoded: bytes, at: int, size: int) -> bytes:
    """The bytes from a position on; zeros where the file has ended."""
    return encoded[at : at + size].ljust(size, b"\0")


def _gif(encoded: bytes) -> ImageHeader:
    """The size is that of the canvas or of the first frame, whichever has more pixels."""
    width, height, flags = struct.unpack_from("<HHB", encoded, 6)
    at = 13 + _gif_table(flags)
    for _ in range(MAX_BLOCKS + 1):
        if encoded[at] == 0x2C:
            frame_width, frame_height, flags = struct.unpack_from("<HHB", encoded, at + 5)
            stop = _gif_end(encoded, at + 11 + _gif_table(flags))
            if not width * height * frame_width * frame_height:
                break
            size = max((width, height), (frame_width, frame_height), key=lambda s: s[0] * s[1])
            return ImageHeader("GIF", *size, encoded[:stop] + b";")
        if encoded[at] != 0x21:
            break
        at = _gif_end(encoded, at + 2)
    raise ImageError(DAMAGED)


def _gif_table(flags: int) -> int:
    """The size of a colour table in bytes."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _gif_end(encoded: bytes, at: int) -> int:
    """The end of a chain of blocks, each of which begins with its size, and the last has none."""
    while encoded[at]:
        at += 1 + encoded[at]
    return at + 1


def _bmp(encoded: bytes) -> ImageHeader:
    start, header, width, height, _, bits, compression = struct.unpack_from("<IIiiHHI", encoded, 10)
    (colours,) = struct.unpack_from("<I", encoded, 46)
    masks = struct.unpack_from("<III", encoded, 54) if compression == 3 else ()
    plain = compression == 0 and (bits in (24, 32) or (bits == 8 and colours <= 256))
    masked = bits == 32 and masks == (0xFF0000, 0xFF00, 0xFF)
    if not 40 <= header <= 124 or not (plain or masked):
        raise ImageError(f"is a BMP of {bits} bits and compression {compression}. {BMP_EXPECTED}")
    if start + (width * bits + 31) // 32 * 4 * abs(height) > len(encoded):
        raise ImageError(DAMAGED)
    return ImageHeader("BMP", width, abs(height), encoded)


_PNG_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_FORMATS = {
    b"\xff\xd8\xff": _jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"BM": _bmp,
}
"""How to read the header of a file, by its first bytes."""
