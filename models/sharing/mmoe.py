"""Multi-gate mixture of experts (Ma et al. 2018, KDD, section 4.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from models.config import STRICT
from models.lazy import keras
from models.sharing.base import Shared, Sharing, Widths, representation_of, weighted_sum


@dataclass(frozen=True, kw_only=True)
class MMoE(Sharing):
    """Experts that all tasks share, read through a gate per task.

    The experts stand on the trunk, which may be pretrained; the gates read what the trunk gives.
    Helps where tasks are related in part: a task can leave experts to others.

    experts: how many. widths: units of each expert's layers.
    """

    __pydantic_config__ = STRICT
    name: Literal["mmoe"] = "mmoe"
    experts: Annotated[int, Field(ge=1)] = 4
    widths: Annotated[Widths, Field(min_length=1)] = (64,)

    def build(self, make_trunk: Callable[[], keras.Model], tasks: tuple[str, ...]) -> Shared:
        from models.sharing.layers.gate import Gate

        sources = tuple(f"expert{i}" for i in range(self.experts))
        return gated(
            make_trunk(), self, tasks, lambda task: Gate(task, sources, name=f"{task}.gate")
        )


def gated(
    trunk: keras.Model,
    scheme: MMoE,
    tasks: tuple[str, ...],
    make_gate: Callable[[str], keras.Layer],
) -> Shared:
    """Experts on a trunk, each task with a gate of its own."""
    from models.sharing.layers.experts import Experts

    representation = representation_of(trunk)
    experts = Experts(scheme.experts, scheme.widths, name="experts")(representation)
    common = keras.Model(representation, [representation, experts], name="common")
    read, offered = (keras.Input(t.shape[1:]) for t in common.outputs)
    mixed = {task: weighted_sum(make_gate(task)(read), offered) for task in tasks}
    return Shared(trunk, keras.Model([read, offered], mixed), common)
