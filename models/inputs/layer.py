"""Numbers that a Keras layer of the user's own computes."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import JsonValue

from models.inputs.base import Feature, Input, RawType, StateFile

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class LayerInput(Input):
    """Numbers that a Keras layer of the user's own makes of a column.

    module: a Python file. layer: a class in it, a `keras.layers.Layer` from [batch, 1] to
        [batch, width] numbers. If it has `adapt`, as Keras's preprocessing layers have, that is
        called with the values of the training split, without the missing ones. options: arguments
        of its constructor.
    reads: what it takes: float32, NaN where missing, or strings, "" where missing.
    """

    kind: Literal["layer"] = "layer"
    module: str = field(metadata={"file": True, "path": True, "fingerprint": False})
    layer: str
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    reads: Literal["number", "text"] = "number"

    @property
    def raw(self) -> RawType:
        return self.reads

    def files(self) -> tuple[str, ...]:
        return (self.module,)

    def check(self) -> list[str]:
        try:
            tree = ast.parse(read_module(self.module), self.module)
        except OSError as e:
            return [f"module {self.module!r}: {e.strerror}. Expected a Python file."]
        except (SyntaxError, ValueError) as e:
            return [f"module {self.module!r}: {e}."]
        classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
        there = f"Classes there: {', '.join(classes)}." if classes else "It defines none."
        problem = f"module {self.module!r} has no class {self.layer!r}. {there}"
        return [] if self.layer in classes else [problem]

    def check_trained(self, feature: Feature) -> str:
        if not isinstance(feature, LayerFeature):
            return ""
        if (self.layer, self.reads) == (feature.layer, feature.reads):
            return ""
        return (
            f"inputs.{self.name} has the layer {self.layer}, which reads {self.reads}, and the"
            f" trained model {feature.layer}, which reads {feature.reads}. Expected the same: the"
            " trained model's own layer is what is used."
        )


def read_module(module: str) -> str:
    """The text of a Python file, in the encoding that it declares."""
    with tokenize.open(module) as file:
        return file.read()


@dataclass(frozen=True, kw_only=True)
class LayerFeature(Feature):
    """Raw: float32 or string [batch]. Preprocessed: float32 [batch, width] of the user's layer.

    It holds the whole layer, so that neither serving nor rebuilding needs the user's file.
    source: the text of its module. layer: its class there. files: of a Keras archive of it.
    """

    kind: Literal["layer"] = "layer"
    dtype: ClassVar[str] = "float32"
    reads: Literal["number", "text"]
    width: int
    source: str
    layer: str
    files: tuple[StateFile, ...]

    @property
    def raw(self) -> RawType:
        return self.reads

    @property
    def preparation(self) -> str:
        if self.reads == "number":
            return super().preparation
        return f"what the layer {self.layer} computes of the text"

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.width,)

    def invalid_row(self, values: np.ndarray) -> tuple[int, str] | None:
        """The first row with a number that is not finite: the user's code can give any number."""
        import numpy as np

        rows = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if not len(rows):
            return None
        return int(rows[0]), (
            f"{self.layer} gives {values[rows[0]].tolist()}. Expected finite numbers, also for"
            " missing values."
        )
