"""Losses weighed by their uncertainty."""

from __future__ import annotations

from typing import ClassVar

from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Uncertainty(Candidate):
    """Losses of tasks are weighed by learned uncertainty (Kendall et al. 2018)."""

    name: ClassVar[str] = "uncertainty"
    rank: ClassVar[int] = 5

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        return ("model.balancing=uncertainty",) if len(spec.tasks) > 1 else None
