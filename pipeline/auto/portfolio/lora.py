"""A pretrained trunk with LoRA."""

from __future__ import annotations

from typing import ClassVar

from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Lora(Candidate):
    """A pretrained trunk with small trained additions (LoRA: Hu et al. 2021)."""

    name: ClassVar[str] = "lora"
    rank: ClassVar[int] = 2
    adapts: ClassVar[bool] = True
    cost: ClassVar[float] = 10.0

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        return ("model.transfer=lora",)
