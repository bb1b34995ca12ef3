"""Splits a trunk into stages, for sharing schemes that act between stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.lazy import Tensor, keras


@dataclass(frozen=True)
class TrunkStage:
    """Consecutive operations of a functional model, in the order of computation.

    name: of the layer group of the last operation. output: of the last operation.
    """

    name: str
    nodes: tuple[Any, ...]
    output: Tensor


def stages_of(trunk: keras.Model) -> tuple[TrunkStage, ...]:
    """The stages of a trunk.

    The trunk is cut after a layer group if all inputs have been read and only one tensor that
    depends on weights (unlike masks) is used afterwards. Without such a place, it is one stage.
    Outputs of all stages have the same rows: nothing is cut before members split.
    """
    from models.trunks.layers.members import SplitMembers

    nodes = [
        node
        for depth in sorted(trunk._nodes_by_depth, reverse=True)
        for node in trunk._nodes_by_depth[depth]
        if not node.is_input
    ]
    last_use = {id(t): i for i, node in enumerate(nodes) for t in node.input_tensors}
    last_use[id(trunk.output)] = len(nodes)
    groups = [node.operation.name.rpartition(".")[0] for node in nodes]
    splits = [i for i, node in enumerate(nodes) if isinstance(node.operation, SplitMembers)]
    weighted, unread = set[int](), {id(t) for t in trunk.inputs}  # weighted: depend on weights
    stages: list[TrunkStage] = []
    begin, live, group = 0, set[int](), ""
    for i, node in enumerate(nodes):
        group = groups[i] or group
        read = {id(t) for t in node.input_tensors}
        if getattr(node.operation, "weights", ()) or read & weighted:
            weighted |= {id(t) for t in node.outputs}
        live |= {id(t) for t in node.outputs}
        live = {t for t in live if last_use.get(t, -1) > i}
        outputs = [t for t in node.outputs if id(t) in live]
        last = i + 1 == len(nodes)
        following = next((g for g in groups[i + 1 :] if g), groups[i])
        unread -= read
        whole = not unread and i >= max(splits, default=0)
        ends = last or (whole and groups[i] not in ("", following))
        if ends and len(outputs) == 1 and live & weighted == {id(outputs[0])}:
            stages.append(TrunkStage(group, tuple(nodes[begin : i + 1]), outputs[0]))
            begin = i + 1
    return tuple(stages)


class Walk:
    """Runs a trunk stage by stage; the output of a stage can be replaced before the next one runs.

    It calls the trunk's own layers: several walks through one trunk share its weights.
    """

    def __init__(self, trunk: keras.Model, inputs: dict[str, Tensor]) -> None:
        """inputs: symbolic inputs by feature, used instead of the trunk's own."""
        self.stages = stages_of(trunk)
        if not self.stages:
            raise ValueError(
                "This sharing splits the trunk into stages, but the trunk has no Keras layers with"
                " weights. Choose another sharing."
            )
        self._values = {id(t): inputs[name] for name, t in trunk.input.items()}
        self._next = 0

    def fork(self) -> Walk:
        """Another walk that continues from the current stage."""
        other = object.__new__(Walk)
        other.stages, other._values, other._next = self.stages, dict(self._values), self._next
        return other

    def step(self) -> Tensor:
        """Run the next stage and return its output."""
        stage = self.stages[self._next]
        for node in stage.nodes:
            args, kwargs = node.arguments.fill_in(self._values)
            outputs = keras.tree.flatten(node.operation(*args, **kwargs))
            self._values |= {id(t): x for t, x in zip(node.outputs, outputs, strict=True)}
        self._next += 1
        return self._values[id(stage.output)]

    def replace_output(self, x: Tensor) -> None:
        """Replace the output of the last stage by `x`, of the same shape."""
        self._values[id(self.stages[self._next - 1].output)] = x


def add_suffix(trunk: keras.Model, suffix: str) -> None:
    """Append a suffix to all layer names: names of layers must be unique within a model.

    Inputs keep their names, by which models that are built on the trunk are called.
    """
    for operation in trunk._operations:
        if not isinstance(operation, keras.layers.InputLayer):
            operation.name = f"{operation.name}_{suffix}"
