"""LiteRT with 8-bit weights, computed in float32."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.export.portable.base import Arrays, Core, PortableFormat, Runtime
from components.export.portable.litert import converted, loaded


@dataclass(frozen=True, kw_only=True)
class LiteRTDynamic(PortableFormat):
    """As `litert`, with 8-bit integers for the larger weights; activations are scaled row by row
    (dynamic-range quantisation).
    """

    file = "model_dynamic.tflite"
    rows_at_once = 1
    exact = False
    name: Literal["litert_dynamic"] = "litert_dynamic"

    def write(self, core: Core, rows: Arrays, file: Path) -> None:
        def small_weights(converter: Any) -> None:
            from models.lazy import tf

            converter.optimizations = [tf.lite.Optimize.DEFAULT]

        file.write_bytes(converted(core, self.name, small_weights))

    def load(self, file: Path) -> Runtime:
        return loaded(file)
