"""A convolution over neighbouring words."""

from __future__ import annotations

from typing import ClassVar

from models.inputs.text import TextInput
from models.trunks.scratch import Scratch
from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Phrases(Candidate):
    """A convolution over words beside their mean and maximum (Kim 2014)."""

    name: ClassVar[str] = "phrases"
    rank: ClassVar[int] = 3

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        texts = any(isinstance(i, TextInput) for i in spec.inputs.values())
        if not texts or not isinstance(spec.model.trunk, Scratch):
            return None
        return ("model.trunk.name=scratch", "model.trunk.text.filters=128")
