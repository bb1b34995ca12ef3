"""Smaller steps and more dropout."""

from __future__ import annotations

from typing import ClassVar

from models.trunks.scratch import Scratch
from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Gentle(Candidate):
    """A third of the learning rate and three times the dropout, against overfitting."""

    name: ClassVar[str] = "gentle"
    rank: ClassVar[int] = 1

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        if not isinstance(spec.model.trunk, Scratch):
            return None
        dropout = min(0.5, 3 * spec.model.trunk.dropout)
        return (
            "training.learning_rate=0.0007",
            "model.trunk.name=scratch",
            f"model.trunk.dropout={dropout:g}",
        )
