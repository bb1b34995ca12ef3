"""LoRA: low-rank adaptation (Hu et al. 2021, arXiv:2106.09685, equation 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.lazy import keras
from models.transfer.base import Phase, Plan, Transfer, TransferError, TrunkRate, at_rate
from models.transfer.layers.low_rank import add_low_rank, can_adapt, merge_low_rank

ATTENTION = ("query", "value")
"""Layers that the paper adapts (section 7.1)."""


@dataclass(frozen=True, kw_only=True)
class Lora(Transfer):
    """Replaces kernels W by W + alpha / rank * A B, of which only A and B train.

    After training the product is merged into W, so serving costs nothing more.

    rank: number of columns of A and rows of B. alpha: scale of the update. trunk_rate: of A and B.
    targets: names of layers or of layer classes (`Dense`, `Conv2D`, …). When empty: the query and
        value projections, or all dense layers and convolutions if there are none.
    """

    name: Literal["lora"] = "lora"
    rank: Annotated[int, Field(ge=1)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0
    targets: tuple[str, ...] = ()
    trunk_rate: TrunkRate = 0.5

    def plan(self, trunk: keras.Model) -> Plan:
        layers, unsupported = self._selected(trunk)
        added = tuple(v for la in layers for v in add_low_rank(la, self.rank, self.alpha))
        notes = (f"lora: not adapted, because unsupported: {unsupported}",) if unsupported else ()
        return Plan((Phase(0, added),), at_rate(added, self.trunk_rate), added, notes)

    def finish(self, trunk: keras.Model) -> None:
        """Merge A and B into the kernels and remove them from the layers."""
        for layer in _layers(trunk):
            merge_low_rank(layer)

    def _selected(self, trunk: keras.Model) -> tuple[list[keras.Layer], str]:
        """The layers to adapt, and the names of target layers that cannot be adapted.

        Raises:
            TransferError: a target has no layer that can be adapted.
        """
        layers = _layers(trunk)
        if not self.targets:
            supported = [la for la in layers if can_adapt(la)]
            attention = [la for la in supported if la.name in ATTENTION]
            if not supported:
                listed = _supported(layers)
                raise TransferError(f"lora: no layer of the trunk can be adapted. {listed}")
            return attention or supported, ""
        selected: list[keras.Layer] = []
        for target in self.targets:
            matches = [la for la in layers if _matches(la, target)]
            if not any(can_adapt(la) for la in matches):
                others = f" Unsupported: {_names(matches)}." if matches else ""
                raise TransferError(
                    f"lora: target {target!r} names no layer that can be adapted.{others}"
                    f" {_supported(layers)}"
                )
            selected += [la for la in matches if la not in selected]
        unsupported = _names([la for la in selected if not can_adapt(la)])
        return [la for la in selected if can_adapt(la)], unsupported


def _layers(trunk: keras.Model) -> list[keras.Layer]:
    """All layers, inner ones too, that have trainable weights of their own; each once."""
    return [la for la in trunk._flatten_layers() if la._trainable_variables]


def _matches(layer: keras.Layer, target: str) -> bool:
    return target in (layer.name, layer.name.rpartition(".")[2], type(layer).__name__)


def _names(layers: list[keras.Layer]) -> str:
    return ", ".join(f"{la.path} ({type(la).__name__})" for la in layers)


def _supported(layers: list[keras.Layer]) -> str:
    """A sentence with the names of the layers that can be adapted, by class."""
    kinds: dict[str, set[str]] = {}
    for layer in layers:
        if can_adapt(layer):
            kinds.setdefault(type(layer).__name__, set()).add(layer.name.rpartition(".")[2])
    listed = "; ".join(f"{kind}: {', '.join(sorted(names))}" for kind, names in kinds.items())
    return f"Supported layers, by class: {listed or 'none'}."
