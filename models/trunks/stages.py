"""A trunk taken apart into stages, for schemes of sharing that act between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from models.lazy import keras


@dataclass(frozen=True)
class Stage:
    """Operations of a functional model in the order of computation; `output` is the last one's.

    name: the layer group that it ends with.
    """

    name: str
    nodes: tuple[Any, ...]
    output: keras.KerasTensor


def stages_of(trunk: keras.Model) -> tuple[Stage, ...]:
    """The stages of a trunk: it is cut after a layer group wherever all that was learned so far
    goes on through one tensor, and every input has been read. Masks and the like may pass beside
    it. One stage where there is no such place before the end.
    """
    nodes = [
        node
        for depth in sorted(trunk._nodes_by_depth, reverse=True)
        for node in trunk._nodes_by_depth[depth]
        if not node.is_input
    ]
    last_use = {id(t): i for i, node in enumerate(nodes) for t in node.input_tensors}
    last_use[id(trunk.output)] = len(nodes)
    groups = [_group(node.operation.name) for node in nodes]
    learned, unread = set[int](), {id(t) for t in trunk.inputs}
    stages: list[Stage] = []
    begin, live, group = 0, set[int](), ""
    for i, node in enumerate(nodes):
        group = groups[i] or group
        taken = {id(t) for t in node.input_tensors}
        if getattr(node.operation, "weights", ()) or taken & learned:
            learned |= {id(t) for t in node.outputs}
        live |= {id(t) for t in node.outputs}
        live = {t for t in live if last_use.get(t, -1) > i}
        through = [t for t in node.outputs if id(t) in live]
        last = i + 1 == len(nodes)
        following = next((g for g in groups[i + 1 :] if g), groups[i])
        unread -= taken
        ends = last or (groups[i] not in ("", following) and not unread)
        if ends and len(through) == 1 and live & learned == {id(through[0])}:
            stages.append(Stage(group, tuple(nodes[begin : i + 1]), through[0]))
            begin = i + 1
    return tuple(stages)


class Walk:
    """One way through a trunk, stage by stage; what a stage gave can be exchanged on the way.

    It calls the trunk's own layers: several walks through one trunk share its weights.
    """

    def __init__(self, trunk: keras.Model, inputs: dict[str, keras.KerasTensor]) -> None:
        """inputs: symbolic ones, by feature, to walk with in place of the trunk's own."""
        self.stages = stages_of(trunk)
        if not self.stages:
            raise ValueError(
                "This sharing takes the trunk apart, and the trunk has no weights in Keras layers"
                " to take apart: choose another sharing."
            )
        self._now = {id(t): inputs[name] for name, t in trunk.input.items()}
        self._next = 0

    def fork(self) -> Walk:
        """Another walk from here."""
        other = object.__new__(Walk)
        other.stages, other._now, other._next = self.stages, dict(self._now), self._next
        return other

    def step(self) -> keras.KerasTensor:
        """What the next stage gives."""
        stage = self.stages[self._next]
        for node in stage.nodes:
            args, kwargs = node.arguments.fill_in(self._now)
            outputs = keras.tree.flatten(node.operation(*args, **kwargs))
            self._now |= {id(t): x for t, x in zip(node.outputs, outputs, strict=True)}
        self._next += 1
        return self._now[id(stage.output)]

    def exchange(self, x: keras.KerasTensor) -> None:
        """Go on with `x`, of the same shape, in place of what the last stage gave."""
        self._now[id(self.stages[self._next - 1].output)] = x


def name_apart(trunk: keras.Model, suffix: str) -> None:
    """Have the layers' names end differently: a model holds no two layers of one name."""
    for operation in trunk._operations:
        operation.name = f"{operation.name}_{suffix}"


def steps(walks: Iterable[Walk]) -> list[keras.KerasTensor]:
    """What the next stage gives on each of several walks."""
    return [walk.step() for walk in walks]


def _group(name: str) -> str:
    return name.rpartition(".")[0]
