"""Mixtures of images."""

from __future__ import annotations

from typing import ClassVar

from models.inputs.image import ImageInput
from models.trunks.scratch import Scratch
from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Mixup(Candidate):
    """Pairs of images are mixed in training (mixup: Zhang et al. 2018)."""

    name: ClassVar[str] = "mixup"
    rank: ClassVar[int] = 3

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        (first, *others) = spec.inputs.values()
        if others or not isinstance(first, ImageInput) or not isinstance(spec.model.trunk, Scratch):
            return None
        return ("training.augment.mixup=0.2",)
