"""Images in the stages."""

from __future__ import annotations

from typing import Any

from components.data.images import ImageError, image_header, opened, pixels
from components.data.lazy import np, pa, pd
from components.inputs.base import InputKind, SpecPart, holds
from components.statistics.column_statistics import ColumnStatistics, ImageColumn
from models.inputs.image import ImageInput

MOST_PIXELS = 224
"""Longest side that is guessed."""


class ImageKind(InputKind[ImageInput]):
    described_as = "image"

    def unfit(self, spec: ImageInput, column: ColumnStatistics) -> str:
        if isinstance(column, ImageColumn):
            return ""
        return f"{holds(spec, column)}. Expected encoded images (bytes)."

    def guess(self, name: str, column: pa.ChunkedArray) -> SpecPart | str | None:
        """The median size, scaled down to at most `MOST_PIXELS`."""
        if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
            return None
        try:
            some = column.drop_null().slice(0, 50).to_pylist()
            sizes = [image_header(value).size for value in some]
            modes = {opened(value).mode for value in some}
        except ImageError as e:
            return f"bytes that are not all images: one {e}"
        width, height = (sorted(size[k] for size in sizes)[len(sizes) // 2] for k in (0, 1))
        scale = min(1.0, MOST_PIXELS / max(width, height))
        height, width = (max(1, round(side * scale)) for side in (height, width))
        spec = {"kind": "image", "height": height, "width": width}
        return spec | ({"channels": 1} if modes <= {"1", "L"} else {})

    def baseline_columns(self, spec: ImageInput, column: pa.ChunkedArray) -> pd.DataFrame:
        """Pixels, 0 to 1; a missing image is black."""
        from PIL import Image

        size, grey = (spec.width, spec.height), spec.channels == 1
        rows = np.zeros((len(column), spec.height * spec.width * spec.channels), np.float32)
        for row, encoded in zip(rows, column.to_pylist(), strict=True):
            if encoded:
                resized = pixels(encoded, grey).resize(size, Image.Resampling.BILINEAR)
                row[:] = np.asarray(resized, np.float32).ravel() / 255
        return pd.DataFrame(rows).add_prefix(f"{spec.name}.")

    def baseline_encoder(self, spec: ImageInput, wide: bool) -> tuple[Any, Any]:
        from sklearn.compose import make_column_selector
        from sklearn.preprocessing import StandardScaler

        return StandardScaler(), make_column_selector(rf"^{spec.name}\.")
