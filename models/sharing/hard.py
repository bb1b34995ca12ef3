"""Hard parameter sharing: one trunk for all tasks (Caruana 1993, ICML)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.lazy import keras
from models.sharing.base import MakeTrunk, Shared, Sharing, representation_input


@dataclass(frozen=True, kw_only=True)
class Hard(Sharing):
    """Every head reads the same representation.

    The cheapest scheme, and the one that benefits most from related tasks.
    """

    name: Literal["hard"] = "hard"

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        trunk = make_trunk()
        representation = representation_input(trunk)
        branches = keras.Model(representation, dict.fromkeys(tasks, representation))
        return Shared(trunk, branches)
