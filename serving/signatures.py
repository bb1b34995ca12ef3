"""From a function of raw inputs to a SavedModel with typed signatures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import tensorflow as tf

ALL_TASKS = "serving_default"


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
    specs = {i.name: tf.TensorSpec([None], i.dtype, name=i.name) for i in inputs}

    @tf.function(autograph=False)
    def answer_all(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = answer(raw)
        return {task: tf.identity(outputs[task], name=task) for task in tasks}

    graph = answer_all.get_concrete_function(specs)
    for task, shape in graph.output_shapes.items():
        if shape.rank == 0 or shape[0] is not None:
            raise ValueError(
                f"Expected output {task!r} to have an unknown batch size as its first dimension. "
                f"Received: shape {shape}"
            )

    def only(task: str) -> tf.types.experimental.ConcreteFunction:
        @tf.function(autograph=False)
        def answer_one(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {task: answer_all(raw)[task]}

        return answer_one.get_concrete_function(specs)

    served = tf.Module()
    served.model = model
    served.answer = answer_all
    tf.saved_model.save(
        served,
        str(path),
        signatures={ALL_TASKS: graph, **{task: only(task) for task in tasks}},
    )
