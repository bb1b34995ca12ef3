"""Portable forms of a model's core: a file for a runtime other than TensorFlow.

The core is what follows decoding, tokenising and looking up: from pixels, tokens, ids and raw
numbers to the answers of all tasks. A format is a module of this package.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import isabstract
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema

from models.config import STRICT
from models.discovery import choice
from models.lazy import Tensor

if TYPE_CHECKING:
    import numpy as np

Arrays = Mapping[str, "np.ndarray"]
Runtime = Callable[[Arrays], dict[str, "np.ndarray"]]
"""From [rows, ...] by input to [rows, ...] by output, with the names that the file has for them."""


@dataclass(frozen=True)
class Core:
    """The core of a model, in TensorFlow operations with static shapes, but for the batch.

    compute: from {input: [batch, ...]} to {output: [batch, ...]}. owner: tracks its variables.
    shapes, dtypes: of the inputs; shapes without the batch.
    """

    compute: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
    owner: object
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    def function(self, batch: int | None) -> Any:
        """A `tf.function` of it for a batch size, or for any.

        It is traced for any size first: with a size of 1, Keras would take a sum along a text for
        the addition of a bias, in a form that LiteRT's converter refuses.
        """
        from models.lazy import tf

        def specs(size: int | None) -> list[dict[str, Any]]:
            found = {}
            for name, shape in self.shapes.items():
                found[name] = tf.TensorSpec([size, *shape], self.dtypes[name], name)
            return [found]

        def core(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {n: tf.identity(v, name=n) for n, v in self.compute(inputs).items()}

        traced = tf.function(core, input_signature=specs(None), autograph=False)
        traced.get_concrete_function()
        if batch is None:
            return traced
        return tf.function(
            lambda inputs: traced(inputs), input_signature=specs(batch), autograph=False
        )


@dataclass(frozen=True, kw_only=True)
class PortableFormat(ABC):
    """A format of a spec. Subclasses have a literal `name`, the name of their module.

    file: its name. exact: whether its answers are those of Keras up to rounding; those of other
        formats have to meet the thresholds of the spec. tolerance: of exact formats, absolute plus
        relative. rows_at_once: how many it takes; any number if None.
    modules: what writing and running it imports. extra: of our package, that installs them.
    """

    __pydantic_config__ = STRICT
    file: ClassVar[str]
    exact: ClassVar[bool] = True
    tolerance: ClassVar[float] = 1e-4
    modules: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ""
    rows_at_once: ClassVar[int | None] = None
    name: str

    @property
    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [m for m in self.modules if importlib.util.find_spec(m) is None]

    @abstractmethod
    def write(self, core: Core, rows: Arrays, file: Path) -> None:
        """Write the file. rows: some training rows by input, [rows, ...].

        Raises:
            RootstockError: the format cannot express the core.
        """

    @abstractmethod
    def load(self, file: Path) -> Runtime:
        """The file in its own runtime, on one thread."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic reads `PortableFormat` as the union of all formats, and a format as itself."""
        if not isabstract(cls):
            return handler(source)
        return handler(choice("components.export.portable", PortableFormat))
