"""In which form a model is served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT

Weights = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Export:
    """In which form a model is served.

    weights: of matrices in the SavedModel; computing stays float32. Half the size on disk and in
        memory, and a little slower on a CPU. float16 has the finer steps, bfloat16 float32's range.
    xla: compile the graph behind preprocessing for each batch size that is asked for, when first
        asked: a server should pad to few sizes.
    tolerance: how far an answer may be from Keras's in float32, absolutely and relatively; 1e-5
        with weights in float32 and 0.01 otherwise, when absent. The thresholds hold for the
        exported model in any case.
    """

    __pydantic_config__ = STRICT
    weights: Weights = "float32"
    xla: bool = False
    tolerance: Annotated[float, Field(gt=0)] | None = None

    @property
    def allowed(self) -> float:
        """The tolerance that holds."""
        return self.tolerance or (1e-5 if self.weights == "float32" else 0.01)
