"""Low-rank adaptation (Hu et al. 2021, arXiv:2106.09685, equation 3), merged when training ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TransferError, TrunkRate, at_rate
from models.transfer.layers.low_rank import add_low_rank, can_adapt, merge_low_rank

ATTENTION = ("query", "value")
"""What the paper adapts by default (section 7.1)."""


@dataclass(frozen=True, kw_only=True)
class Lora(Transfer):
    """W becomes W + alpha / rank * A B, of which only A and B train. Merged, it is the trunk that
    it was, with other weights: serving costs nothing more.

    rank: columns of A, rows of B.
    targets: names of layers, or of the kinds of layers (`Dense`, `Conv2D`, …). When empty, the
        query and value projections; where there are none, every dense layer and convolution.
    trunk_rate: of A and B.
    """

    __pydantic_config__ = STRICT
    name: Literal["lora"] = "lora"
    rank: Annotated[int, Field(ge=1)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0
    targets: tuple[str, ...] = ()
    trunk_rate: TrunkRate = 0.5

    def plan(self, trunk: keras.Model) -> Plan:
        """See `Transfer.plan`.

        Raises:
            TransferError: a target names no layer that can take it.
        """
        layers, unable = self._chosen(trunk)
        added = tuple(v for la in layers for v in add_low_rank(la, self.rank, self.alpha))
        notes = (f"lora: left as they are, since they cannot take it: {unable}",) if unable else ()
        return Plan((Phase(0, added),), at_rate(added, self.trunk_rate), added, notes)

    def finish(self, trunk: keras.Model) -> None:
        """Merge A and B into the kernels, and take them out of the layers."""
        for layer in _layers(trunk):
            merge_low_rank(layer)

    def _chosen(self, trunk: keras.Model) -> tuple[list[keras.Layer], str]:
        """The layers to adapt, and the names of those that were meant but cannot be."""
        layers = _layers(trunk)
        if not self.targets:
            found = [la for la in layers if can_adapt(la) and la.name in ATTENTION]
            found = found or [la for la in layers if can_adapt(la)]
            if not found:
                raise TransferError(f"lora: no layer of the trunk can take it. {_there(layers)}")
            return found, ""
        meant: list[keras.Layer] = []
        for target in self.targets:
            named = [la for la in layers if _named(la, target)]
            if not any(can_adapt(la) for la in named):
                cannot = f" These cannot take it: {_names(named)}." if named else ""
                raise TransferError(
                    f"lora: target {target!r} names no layer that can take it.{cannot}"
                    f" {_there(layers)}"
                )
            meant += [la for la in named if la not in meant]
        return [la for la in meant if can_adapt(la)], _names(
            [la for la in meant if not can_adapt(la)]
        )


def _layers(trunk: keras.Model) -> list[keras.Layer]:
    """All layers that have trainable weights of their own, inner ones too, each once."""
    return [la for la in trunk._flatten_layers() if la._trainable_variables]


def _named(layer: keras.Layer, target: str) -> bool:
    return target in (layer.name, layer.name.rpartition(".")[2], type(layer).__name__)


def _names(layers: list[keras.Layer]) -> str:
    return ", ".join(f"{la.path} ({type(la).__name__})" for la in layers)


def _there(layers: list[keras.Layer]) -> str:
    kinds: dict[str, set[str]] = {}
    for layer in layers:
        if can_adapt(layer):
            kinds.setdefault(type(layer).__name__, set()).add(layer.name.rpartition(".")[2])
    told = "; ".join(f"{kind}: {', '.join(sorted(names))}" for kind, names in kinds.items())
    return f"Layers that can, by kind: {told or 'none'}."
