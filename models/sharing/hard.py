"""Hard parameter sharing: one trunk for all tasks (Caruana 1993, ICML)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from models.inputs import STRICT
from models.lazy import keras
from models.sharing.base import Shared, Sharing


@dataclass(frozen=True, kw_only=True)
class Hard(Sharing):
    """Every head reads the same representation."""

    __pydantic_config__ = STRICT
    name: Literal["hard"] = "hard"

    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        """See `Sharing.build`."""
        trunk = make_trunk()
        representation = keras.Input(trunk.output.shape[1:], name="representation")
        branches = keras.Model(representation, dict.fromkeys(tasks, representation))
        return Shared(trunk, branches)
