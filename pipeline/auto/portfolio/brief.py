"""A short training, where there are no classical models to fall back on."""

from __future__ import annotations

from typing import ClassVar

from models.inputs.image import ImageInput
from models.trunks.scratch import Scratch
from pipeline.auto.candidate import BRIEF, BRIEF_EPOCHS, Candidate
from pipeline.spec.sections import Spec


class Brief(Candidate):
    """Few epochs with a falling learning rate, for budgets in which the default does not end."""

    name: ClassVar[str] = BRIEF
    rank: ClassVar[int] = 1
    cost: ClassVar[float] = 0.05

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        images = all(isinstance(i, ImageInput) for i in spec.inputs.values())
        if not images or not isinstance(spec.model.trunk, Scratch):
            return None
        return (f"training.epochs={BRIEF_EPOCHS}",)
