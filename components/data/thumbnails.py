"""Small pictures for pages."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from components.data.images import ImageError, pixels

SIDE = 96
"""Longest side of a picture, in pixels."""


@dataclass(frozen=True)
class Picture:
    """src: a `data:` URL, or empty with a reason in `alt`."""

    src: str
    alt: str


def thumbnail(name: str, encoded: bytes | None) -> Picture:
    """A small copy of an encoded image. name: what the picture is, for those who do not see it."""
    from PIL import Image

    if not encoded:
        return Picture("", f"{name}: missing")
    try:
        image = pixels(encoded)
    except (ImageError, OSError, SyntaxError, ValueError) as e:
        return Picture("", f"{name}: {e}")
    small = max(image.size) <= SIDE
    if not small:
        image.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR)
    file, form = io.BytesIO(), "PNG" if small else "JPEG"
    image.save(file, form, quality=85)
    data = base64.b64encode(file.getvalue()).decode()
    return Picture(f"data:image/{form.lower()};base64,{data}", name)
