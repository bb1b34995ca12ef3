"""A frozen pretrained trunk."""

from __future__ import annotations

from typing import ClassVar

from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Frozen(Candidate):
    """A pretrained trunk as it is, with new heads and classical models."""

    name: ClassVar[str] = "frozen"
    rank: ClassVar[int] = 0
    adapts: ClassVar[bool] = True
    cost: ClassVar[float] = 3.0
    few_labels: ClassVar[int] = 2

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        return ("model.transfer=frozen",)
