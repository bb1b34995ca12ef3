"""A trunk for each task."""

from __future__ import annotations

from typing import ClassVar

from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Apart(Candidate):
    """A trunk for each task, held close to the others (soft sharing: Duong et al. 2015)."""

    name: ClassVar[str] = "apart"
    rank: ClassVar[int] = 6

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        return ("model.sharing=soft",) if len(spec.tasks) > 1 else None
