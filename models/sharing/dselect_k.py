"""DSelect-k: a learned choice of experts (Hazimeh et al. 2021, NeurIPS, arXiv:2106.03760)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.sharing.base import Shared
from models.sharing.mmoe import MMoE, gated


@dataclass(frozen=True, kw_only=True)
class DSelectK(MMoE):
    """A mixture of experts (`mmoe`) whose gates come to choose at most `selected` experts.

    A gate is a convex combination of selectors; each names an expert by the bits of its number
    (section 3). Bits are smooth steps of linear maps of the example, or of free parameters where
    `by_example` is false.

    experts: a power of two. selected: the paper's k. temperature: the width of the smooth step
    (its gamma). entropy: the weight of the penalty that drives selectors to one expert (lambda,
    equation 9).
    """

    __pydantic_config__ = STRICT
    name: Literal["dselect_k"] = "dselect_k"  # type: ignore[assignment]
    selected: Annotated[int, Field(ge=1)] = 2
    temperature: Annotated[float, Field(gt=0)] = 1.0
    entropy: Annotated[float, Field(ge=0)] = 1e-6
    by_example: bool = True

    def __post_init__(self) -> None:
        """Refuse numbers of experts that bits cannot count."""
        if self.experts < 2 or self.experts & (self.experts - 1):
            raise ValueError(f"dselect_k: experts must be 2, 4, 8 or so. Received: {self.experts}")
        if self.selected > self.experts:
            raise ValueError(
                f"dselect_k: selected must be at most experts, {self.experts}. Received:"
                f" {self.selected}"
            )

    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.selector import Selector

        def gate(task: str) -> Selector:
            return Selector(
                task,
                self.experts,
                self.selected,
                temperature=self.temperature,
                entropy=self.entropy,
                by_example=self.by_example,
                name=f"{task}.gate",
            )

        return gated(make_trunk(), self, tasks, gate)
