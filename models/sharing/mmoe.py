"""Multi-gate mixture of experts (Ma et al. 2018, KDD, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.lazy import keras
from models.sharing.base import (
    MakeTrunk,
    Shared,
    Sharing,
    Widths,
    representation_input,
    weighted_sum,
)


@dataclass(frozen=True, kw_only=True)
class MMoE(Sharing):
    """Experts that all tasks share, combined by one gate per task.

    Experts and gates read the trunk's output. Helps when tasks are only partly related: a task can
    ignore experts that serve other tasks.

    experts: number of experts. widths: units of each expert's layers.
    """

    name: Literal["mmoe"] = "mmoe"
    experts: Annotated[int, Field(ge=1)] = 4
    widths: Annotated[Widths, Field(min_length=1)] = (64,)

    def build(self, make_trunk: MakeTrunk, tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.gate import Gate

        sources = tuple(f"expert{i}" for i in range(self.experts))
        return gated(make_trunk(), self, tasks, lambda t: Gate(t, sources, name=f"{t}.gate"))


def gated(
    trunk: keras.Model,
    scheme: MMoE,
    tasks: tuple[str, ...],
    make_gate: Callable[[str], keras.Layer],
) -> Shared:
    """Experts on a trunk, with one gate per task."""
    from models.sharing.layers.experts import Experts

    representation = representation_input(trunk)
    experts = Experts(scheme.experts, scheme.widths, name="experts")(representation)
    common = keras.Model(representation, [representation, experts], name="common")
    x, outputs = (keras.Input(t.shape[1:]) for t in common.outputs)
    mixtures = {task: weighted_sum(make_gate(task)(x), outputs) for task in tasks}
    return Shared(trunk, keras.Model([x, outputs], mixtures), common)
