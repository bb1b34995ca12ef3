"""DSelect-k: a learned choice of experts (Hazimeh et al. 2021, NeurIPS, arXiv:2106.03760)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.sharing.base import MakeTrunk, Shared
from models.sharing.mmoe import MMoE, gated


@dataclass(frozen=True, kw_only=True)
class DSelectK(MMoE):
    """A mixture of experts (`mmoe`) whose gates learn to select at most `selected` experts.

    A gate is a convex combination of selectors. Each chooses one expert by the bits of its number
    (section 3); a bit is a smooth step function of a linear map of the example.

    experts: number of experts, a power of two. selected: the paper's k. temperature: width of the
    smooth step (the paper's gamma). entropy: weight of the penalty that drives each selector to one
    expert (lambda, equation 9). by_example: false for bits that do not depend on the example.
    """

    name: Literal["dselect_k"] = "dselect_k"  # type: ignore[assignment]
    selected: Annotated[int, Field(ge=1)] = 2
    temperature: Annotated[float, Field(gt=0)] = 1.0
    entropy: Annotated[float, Field(ge=0)] = 1e-6
    by_example: bool = True

    def __post_init__(self) -> None:
        """Check the number of experts.

        Raises:
            ValueError: it is no power of two, or less than `selected`.
        """
        experts, selected = self.experts, self.selected
        if experts < 2 or experts & (experts - 1):
            raise ValueError(
                f"dselect_k: experts must be a power of two (2, 4, 8, …). Received: {experts}"
            )
        if selected > experts:
            raise ValueError(
                f"dselect_k: selected must be at most experts ({experts}). Received: {selected}"
            )

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
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
