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


@dataclass(frozen=True)
class Classes:
    """An output of probabilities. names: of its classes, in order. A single probability, of shape
    [batch, 1], is that of the second of two classes.
    """

    task: str
    names: tuple[str, ...]
    method = "tensorflow/serving/classify"

    @property
    def signature(self) -> str:
        """Its name."""
        return f"classify_{self.task}"

    def told(self, output: tf.Tensor) -> dict[str, tf.Tensor]:
        """classes: string [batch, n]; scores: float [batch, n]."""
        import tensorflow as tf

        scores = tf.concat([1 - output, output], 1) if output.shape[-1] == 1 else output
        classes = tf.tile(tf.constant([self.names]), [tf.shape(scores)[0], 1])
        return {"classes": classes, "scores": scores}


@dataclass(frozen=True)
class Value:
    """An output that is one number."""

    task: str
    method = "tensorflow/serving/regress"

    @property
    def signature(self) -> str:
        """Its name."""
        return f"regress_{self.task}"

    def told(self, output: tf.Tensor) -> dict[str, tf.Tensor]:
        """outputs: float [batch, 1]."""
        import tensorflow as tf

        return {"outputs": tf.reshape(output, [-1, 1])}


def export(
    answer: Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]],
    model: object,
    inputs: Sequence[SignatureInput],
    tasks: Sequence[str],
    path: Path,
    meanings: Sequence[Classes | Value] = (),
) -> None:
    """Write `answer` as a SavedModel at `path`.

    `serving_default` answers all tasks; besides there is a signature for each task, named after it,
    with that one output. All of them call one traced graph, so TensorFlow computes only the heads
    that a request asks for. No device is pinned. `classify_<task>` and `regress_<task>` answer
    TF Serving's Classify and Regress: they take serialised tf.train.Examples whose features are the
    inputs by name, each with one value; absent ones are missing.

    Args:
        answer: from {input: [batch]} to {task: [batch, ...]}, in TensorFlow operations.
        model: the trackable, or a container of them, that owns the variables and lookup tables.
        inputs: the raw inputs, all of them in every signature.
        tasks: the outputs to serve.
        path: the SavedModel directory to write.
        meanings: of the outputs that Classify and Regress should answer too.

    Raises:
        ValueError: no input or task; a task named like another signature; `answer` lacks a task;
            an output whose first dimension is not an unknown batch size.
    """
    import tensorflow as tf

    if not inputs or not tasks:
        raise ValueError("A served model needs at least one input and one task.")
    others = {ALL_TASKS, *(m.signature for m in meanings)}
    if taken := sorted(others & set(tasks)):
        raise ValueError(f"A task cannot be named {taken[0]!r}: another signature has that name.")
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

    def from_examples(meaning: Classes | Value) -> tf.types.experimental.ConcreteFunction:
        defaults = {"string": "", "float32": float("nan")}
        features = {i.name: tf.io.FixedLenFeature([], i.dtype, defaults[i.dtype]) for i in inputs}

        def answer_examples(serialised: tf.Tensor) -> dict[str, tf.Tensor]:
            raw = tf.io.parse_example(serialised, features)
            output = graph(**{arguments[n]: v for n, v in raw.items()})[meaning.task]
            return meaning.told(output)

        spec = tf.TensorSpec([None], tf.string, "inputs")
        return tf.function(answer_examples, autograph=False).get_concrete_function(spec)

    served = tf.Module()
    served.model = model
    tf.saved_model.save(
        served,
        str(path),
        signatures={
            ALL_TASKS: graph,
            **{task: only(task) for task in tasks},
            **{m.signature: from_examples(m) for m in meanings},
        },
    )
    names = {a: n for n, a in arguments.items() if a != n}
    _amend(path, names, {m.signature: m.method for m in meanings})


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


def _amend(path: Path, names: Mapping[str, str], methods: Mapping[str, str]) -> None:
    """Call the inputs of all signatures by their own names again (any text is allowed there), and
    say which signatures are for Classify and Regress.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    signatures = saved.meta_graphs[0].signature_def
    for name, method in methods.items():
        signatures[name].method_name = method
    for signature in signatures.values():
        for argument in names.keys() & signature.inputs.keys():
            signature.inputs[names[argument]].CopyFrom(signature.inputs.pop(argument))
    file.write_bytes(saved.SerializeToString(deterministic=True))
