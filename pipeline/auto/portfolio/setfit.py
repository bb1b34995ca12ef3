"""A pretrained text trunk that trains on pairs of rows."""

from __future__ import annotations

from typing import ClassVar

from components.training.pairing import has_classes
from models.inputs.text import TextInput
from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class SetFit(Candidate):
    """A pretrained text trunk trained on pairs of rows (SetFit: Tunstall et al. 2022)."""

    name: ClassVar[str] = "setfit"
    rank: ClassVar[int] = 1
    adapts: ClassVar[bool] = True
    cost: ClassVar[float] = 6.0

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        texts = any(isinstance(i, TextInput) for i in spec.inputs.values())
        classes = any(map(has_classes, spec.tasks.values()))
        return ("model.transfer=setfit",) if texts and classes else None
