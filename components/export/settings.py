"""The `export` section of a spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from components.export.portable.base import PortableFormat
from models.config import STRICT

Weights = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Export:
    """The form in which a model is served.

    weights: type of the matrices in the SavedModel; the model computes in float32. The 16-bit types
        need half the space on disk and in memory, and are a little slower on a CPU. float16 is more
        precise, bfloat16 has the range of float32.
    xla: compile the graph after preprocessing with XLA, once for each batch size, at the first
        request of that size. Let the server pad batches to a few sizes.
    tolerance: largest allowed difference between an answer and that of the float32 model in Keras,
        absolute plus relative. If absent, 1e-5 for float32 weights and 0.01 otherwise. Thresholds
        always apply to the exported model.

    formats: further files, for runtimes other than TensorFlow: `onnx`, `litert` (float32),
        `litert_dynamic` (8-bit weights), `litert_int8`. They lie in `assets.extra/portable` of the
        SavedModel, and hold the network without decoding, tokenising and looking up.
    """

    __pydantic_config__ = STRICT
    weights: Weights = "float32"
    xla: bool = False
    tolerance: Annotated[float, Field(gt=0)] | None = None
    formats: tuple[PortableFormat, ...] = ()

    @property
    def allowed(self) -> float:
        """The tolerance, or its default."""
        return self.tolerance or (1e-5 if self.weights == "float32" else 0.01)
