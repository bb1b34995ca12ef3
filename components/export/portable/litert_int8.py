"""LiteRT in 8-bit integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.export.portable.base import Arrays, Core, PortableFormat, Runtime
from components.export.portable.litert import converted, loaded


@dataclass(frozen=True, kw_only=True)
class LiteRTInt8(PortableFormat):
    """As `litert`, with 8-bit integers for weights and activations, whose ranges are those of some
    training rows. Operations without an integer form stay in float32, and so do inputs and outputs.
    """

    file = "model_int8.tflite"
    rows_at_once = 1
    exact = False
    name: Literal["litert_int8"] = "litert_int8"

    def write(self, core: Core, rows: Arrays, file: Path) -> None:
        def one_by_one() -> Iterator[dict[str, Any]]:
            for i in range(len(next(iter(rows.values())))):
                yield {name: values[i : i + 1] for name, values in rows.items()}

        def integers(converter: Any) -> None:
            from models.lazy import tf

            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = one_by_one
            operations = tf.lite.OpsSet
            converter.target_spec.supported_ops = [
                operations.TFLITE_BUILTINS_INT8,
                operations.TFLITE_BUILTINS,
            ]

        file.write_bytes(converted(core, self.name, integers))

    def load(self, file: Path) -> Runtime:
        return loaded(file)
