"""The spec of `rootstock init` as it is."""

from __future__ import annotations

from typing import ClassVar

from pipeline.auto.candidate import DEFAULT, Candidate
from pipeline.spec.sections import Spec


class Default(Candidate):
    """A network with classical models as experts, as `rootstock init` writes it."""

    name: ClassVar[str] = DEFAULT
    rank: ClassVar[int] = 0

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        return ()
