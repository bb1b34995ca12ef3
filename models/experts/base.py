"""Experts: classical models inside ours, such as gradient boosting on columns.

An expert is fitted on training rows before the network. Its margins (raw outputs, such as logits,
for every task) enter the network as inputs, and a stack of network and experts has the last word.
It is part of the served graph.

A kind is a module here (the fitted model as a graph) and one in `components.experts` (fitting).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isabstract
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema

from models.config import STRICT
from models.discovery import choice
from models.lazy import Tensor


@dataclass(frozen=True)
class ExpertInputs:
    """What an expert may read of a batch of rows.

    raw: [batch] strings, or float32 with NaN for missing, by feature name: what the server gets.
    features: preprocessed [batch, ...] by feature name.
    representation: of a frozen trunk, float32 [batch, width]; None if the trunk trains.
    blocks: of a frozen trunk of images, float32 [batch, n]: see `models.trunks.blocks`; None for
        others.
    """

    raw: Mapping[str, Tensor]
    features: Mapping[str, Tensor]
    representation: Tensor | None = None
    blocks: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Expert(ABC):
    """A fitted expert, without its numbers, as the record of a model keeps it.

    Subclasses are frozen dataclasses with a literal `kind`, the name of their module. Their fields
    say what they read and how; arrays with the numbers lie in a file beside the record.

    name: unique in a model, such as `trees` or `ngrams.message`.
    reads_text: whether `margins` needs raw text, and not only numbers and what preprocessing gives.
    portable: whether LiteRT and ONNX have all operations of `margins`.
    """

    __pydantic_config__ = STRICT
    reads_text: ClassVar[bool] = False
    portable: ClassVar[bool] = False
    kind: str
    name: str

    @property
    def members(self) -> tuple[str, ...]:
        """Names of what the last word weighs: one model, or several that share a computation."""
        return (self.name,)

    @property
    def reads_representation(self) -> bool:
        """Whether `margins` needs `ExpertInputs.representation`."""
        return False

    @property
    def reads_blocks(self) -> bool:
        """Whether `margins` needs `ExpertInputs.blocks`."""
        return False

    @abstractmethod
    def margins(self, arrays: Mapping[str, Tensor], inputs: ExpertInputs) -> Tensor:
        """Raw outputs of each member for all tasks, float32 [batch, members x units of all tasks].

        They are on the scale of the heads' raw outputs: logits, standardised values, log-rates.
        Runs inside a graph, with operations that TF Serving has, and gives a row the same whatever
        it is batched with.

        arrays: variables with what fitting gave, with the same names and dtypes.
        """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic reads `Expert` as the union of all kinds, and a kind as itself."""
        return handler(choice("models.experts", Expert, "kind") if isabstract(cls) else source)
