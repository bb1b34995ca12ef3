"""A larger network."""

from __future__ import annotations

from typing import ClassVar

from models.trunks.scratch import Scratch
from pipeline.auto.candidate import Candidate
from pipeline.spec.sections import Spec


class Larger(Candidate):
    """A network of twice the width, with one dense layer more for columns."""

    name: ClassVar[str] = "larger"
    rank: ClassVar[int] = 2

    def overrides(self, spec: Spec) -> tuple[str, ...] | None:
        trunk = spec.model.trunk
        if not isinstance(trunk, Scratch):
            return None
        widths, layers = trunk.image.widths, trunk.columns.layers
        return (
            "model.trunk.name=scratch",
            f"model.trunk.width={2 * trunk.width}",
            f"model.trunk.image.widths={[2 * w for w in widths]}",
            f"model.trunk.columns.layers={[*(2 * w for w in layers), 2 * layers[-1]]}",
            f"model.trunk.columns.members={2 * trunk.columns.members}",
            f"model.trunk.text.embedding={2 * trunk.text.embedding}",
        )
