"""A fine-tuned pretrained trunk."""

from __future__ import annotations

from typing import ClassVar

from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class FineTune(Candidate):
    """A pretrained trunk of which all weights train."""

    name: ClassVar[str] = "fine_tune"
    rank: ClassVar[int] = 1
    adapts: ClassVar[bool] = True
    cost: ClassVar[float] = 10.0

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        return ("model.transfer=fine_tune",)
