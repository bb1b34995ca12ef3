"""Checks that encoded images can be used."""

from __future__ import annotations

import io

FORMATS = ("JPEG", "MPO", "PNG", "GIF", "BMP")  # some cameras' JPEG files are MPO


def image_problem(image: bytes) -> str:
    """Why an encoded image cannot be used; empty if it can be."""
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
