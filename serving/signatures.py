"""From a function of raw inputs to a SavedModel with typed signatures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import tensorflow as tf

ALL_TASKS = "serving_default"
_ARGUMENT = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class SignatureInput:
    """A raw input: [batch] of `dtype`. A missing string is "", a missing number is NaN."""

    name: str
    dtype: Literal["string", "float32"]


def export(
    answer: Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]],
    model: object,
    inputs: Sequence[SignatureInput],
    tasks: Sequence[str],
    path: Path,
) -> None:
    """Write `answer` as a SavedModel at `path`.

    `serving_default` answers all tasks; besides there is a signature for each task, named after it,
    with that one output. All of them call one traced graph, so TensorFlow computes only the heads
    that a request asks for. No device is pinned.

    Args:
        answer: from {input: [batch]} to {task: [batch, ...]}, in TensorFlow operations.
        model: the trackable, or a container of them, that owns the variables and lookup tables.
        inputs: the raw inputs, all of them in every signature.
        tasks: the outputs to serve.
        path: the SavedModel directory to write.

    Raises:
        ValueError: no input or task; a task named like the signature of all tasks; `answer` lacks a
            task; an output whose first dimension is not an unknown batch size.
    """
    import tensorflow as tf

    if not inputs or not tasks:
        raise ValueError("A served model needs at least one input and one task.")
    if ALL_TASKS in tasks:
        raise ValueError(f"A task cannot be named {ALL_TASKS!r}: that signature answers all tasks.")
    arguments = _argument_names(inputs)
    specs = {arguments[i.name]: tf.TensorSpec([None], i.dtype, arguments[i.name]) for i in inputs}

    def answer_all(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = answer({i.name: raw[arguments[i.name]] for i in inputs})
        if missing := sorted(set(tasks) - set(outputs)):
            raise ValueError(f"Expected an output for each task: no output for task {missing[0]!r}")
        return {task: tf.identity(outputs[task]) for task in tasks}

    graph = tf.function(answer_all, autograph=False).get_concrete_function(specs)
    for task, output in graph.structured_outputs.items():
        shape = output.shape
        if shape.rank == 0 or (shape.rank and shape[0] is not None):
            raise ValueError(
                f"Expected output {task!r} to have an unknown batch size as its first dimension. "
                f"Received: shape {shape}"
            )

    def only(task: str) -> tf.types.experimental.ConcreteFunction:
        def answer_one(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {task: graph(**raw)[task]}

        return tf.function(answer_one, autograph=False).get_concrete_function(specs)

    served = tf.Module()
    served.model = model
    tf.saved_model.save(
        served,
        str(path),
        signatures={ALL_TASKS: graph, **{task: only(task) for task in tasks}},
    )
    _restore_input_names(path, {a: n for n, a in arguments.items() if a != n})


def _argument_names(inputs: Sequence[SignatureInput]) -> dict[str, str]:
    """A graph argument per input: its name, or a made-up one where TensorFlow would refuse the name
    ("hours per week") or rename it ("capital-gain") and might then confuse it with another.
    """
    taken = {i.name for i in inputs}
    return {
        i.name: i.name if _ARGUMENT.fullmatch(i.name) else _unused(f"input_{position}", taken)
        for position, i in enumerate(inputs)
    }


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _restore_input_names(path: Path, names: Mapping[str, str]) -> None:
    """Call the inputs of all signatures by their own names again: any text is allowed there."""
    if not names:
        return
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for signature in saved.meta_graphs[0].signature_def.values():
        for argument in names.keys() & signature.inputs.keys():
            signature.inputs[names[argument]].CopyFrom(signature.inputs.pop(argument))
    file.write_bytes(saved.SerializeToString(deterministic=True))
