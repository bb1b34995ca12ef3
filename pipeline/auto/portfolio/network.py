"""The network without experts."""

from __future__ import annotations

from typing import ClassVar

from models.inputs.image import ImageInput
from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Network(Candidate):
    """The network alone, without classical models: smaller and faster to serve."""

    name: ClassVar[str] = "network"
    rank: ClassVar[int] = 7

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        images = all(isinstance(i, ImageInput) for i in spec.inputs.values())
        return ("model.experts=none",) if spec.model.experts and not images else None
