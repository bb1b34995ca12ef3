"""Classical models without a network."""

from __future__ import annotations

from typing import ClassVar

from models.inputs.image import ImageInput
from models.trunks.scratch import Scratch
from pipeline.auto.candidate import EXPERTS, Candidate
from pipeline.spec.sections import Spec


class ExpertsAlone(Candidate):
    """The classical models alone, without a network."""

    name: ClassVar[str] = EXPERTS
    rank: ClassVar[int] = 1

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        images = all(isinstance(i, ImageInput) for i in spec.inputs.values())
        if images or not spec.model.experts or not isinstance(spec.model.trunk, Scratch):
            return None
        return (
            "model.last_word=experts",
            "model.trunk.name=scratch",
            "model.trunk.width=8",
            "model.trunk.columns.layers=[8]",
            "model.trunk.columns.members=1",
            "model.trunk.text.embedding=8",
        )
