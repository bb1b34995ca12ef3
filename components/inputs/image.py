"""Images in the stages."""

from __future__ import annotations

import io
from typing import Any

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
        from PIL import Image, UnidentifiedImageError

        if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
            return None
        try:
            some = column.drop_null().slice(0, 50).to_pylist()
            images = [Image.open(io.BytesIO(value)) for value in some]
        except UnidentifiedImageError:
            return "bytes that are no images"
        width, height = (sorted(i.size[k] for i in images)[len(images) // 2] for k in (0, 1))
        scale = min(1.0, MOST_PIXELS / max(width, height))
        height, width = (max(1, round(side * scale)) for side in (height, width))
        spec = {"kind": "image", "height": height, "width": width}
        return spec | ({"channels": 1} if all(i.mode in ("1", "L") for i in images) else {})

    def baseline_columns(self, spec: ImageInput, column: pa.ChunkedArray) -> pd.DataFrame:
        """Pixels, 0 to 1."""
        from PIL import Image

        mode, size = "L" if spec.channels == 1 else "RGB", (spec.width, spec.height)
        images = (Image.open(io.BytesIO(encoded)) for encoded in column.to_pylist())
        rows = [np.asarray(i.convert(mode).resize(size), np.float32).ravel() / 255 for i in images]
        return pd.DataFrame(np.stack(rows)).add_prefix(f"{spec.name}.")

    def baseline_encoder(self, spec: ImageInput, wide: bool) -> tuple[Any, Any]:
        from sklearn.compose import make_column_selector
        from sklearn.preprocessing import StandardScaler

        return StandardScaler(), make_column_selector(rf"^{spec.name}\.")
