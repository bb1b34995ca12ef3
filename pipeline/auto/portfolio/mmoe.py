"""Several experts on the trunk, gated for each task."""

from __future__ import annotations

from typing import ClassVar

from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Mmoe(Candidate):
    """Each task mixes small networks of its own choice on the trunk (MMoE: Ma et al. 2018)."""

    name: ClassVar[str] = "mmoe"
    rank: ClassVar[int] = 4

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        return ("model.sharing=mmoe",) if len(spec.tasks) > 1 else None
