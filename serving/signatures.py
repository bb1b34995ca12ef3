"""Export a function of raw inputs as a SavedModel with typed signatures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serving.canonical import make_canonical, write_fingerprint
from serving.wire.names import (
    CLASSIFY,
    DEFAULT_SIGNATURE,
    DETAILED,
    FROM_FEATURES,
    REGRESS,
    TO_FEATURES,
)

if TYPE_CHECKING:
    import tensorflow as tf

_ARGUMENT = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class SignatureInput:
    """A raw input of shape [batch]. A missing string is "", a missing number is NaN."""

    name: str
    dtype: Literal["string", "float32"]


@dataclass(frozen=True)
class Prepared:
    """What comes between raw inputs and the rest of a model, such as pixels.

    prepare: from {input: [batch]} to {input: [batch, ...]}. shapes, dtypes: of each of its outputs,
        by the name of the input; shapes without the batch.
    """

    prepare: Callable[[Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]


@dataclass(frozen=True)
class Classes:
    """An output of class probabilities, [batch, classes].

    A single probability, [batch, 1], is that of the second of two classes. names: of the classes,
    in order.
    """

    task: str
    names: tuple[str, ...]
    method = CLASSIFY

    @property
    def signature(self) -> str:
        """The name of the signature for Classify."""
        return f"classify_{self.task}"

    def response(self, output: tf.Tensor) -> dict[str, tf.Tensor]:
        """classes: string [batch, n]; scores: float [batch, n]."""
        import tensorflow as tf

        scores = tf.concat([1 - output, output], 1) if output.shape[-1] == 1 else output
        classes = tf.tile(tf.constant([self.names]), [tf.shape(scores)[0], 1])
        return {"classes": classes, "scores": scores}


@dataclass(frozen=True)
class Value:
    """An output of one number per row."""

    task: str
    method = REGRESS

    @property
    def signature(self) -> str:
        """The name of the signature for Regress."""
        return f"regress_{self.task}"

    def response(self, output: tf.Tensor) -> dict[str, tf.Tensor]:
        """outputs: float [batch, 1]."""
        import tensorflow as tf

        return {"outputs": tf.reshape(output, [-1, 1])}


def export(
    predict: Callable[[dict[str, tf.Tensor]], Mapping[str, tf.Tensor]],
    model: object,
    inputs: Sequence[SignatureInput],
    tasks: Sequence[str],
    path: Path,
    meanings: Sequence[Classes | Value] = (),
    prepared: Prepared | None = None,
) -> None:
    """Write `predict` as a SavedModel.

    The signature `serving_default` outputs all tasks, `detailed` also what else `predict` computes,
    if there is anything. Each task also has a signature of its own name with only that output. All
    signatures call one traced graph, so TensorFlow computes only the heads that a request needs. No
    device is pinned. `classify_<task>` and `regress_<task>` serve TF Serving's Classify and
    Regress: they take serialised tf.train.Examples with one feature per input; a missing feature is
    a missing value.

    With `prepared`, `to_features` gives what `predict` takes, and `from_features` takes that and
    answers as `detailed` does.

    Args:
        predict: a function of {input: [batch]} to {task: [batch, ...]}, in TensorFlow operations;
            it may have outputs besides those of the tasks.
        model: the trackable, or a container of them, that owns the variables and lookup tables.
        inputs: the raw inputs; every signature takes all of them.
        tasks: the outputs to serve.
        path: the SavedModel directory to write.
        meanings: the outputs that Classify and Regress serve too.
        prepared: if given, `predict` is a function of what it prepares.

    Raises:
        ValueError: there is no input or no task; a task has the name of another signature;
            `predict` lacks a task; the first dimension of an output is not an unknown batch size.
    """
    import tensorflow as tf

    if not inputs or not tasks:
        raise ValueError("A served model needs at least one input and one task.")
    reserved = {DEFAULT_SIGNATURE, DETAILED, *(meaning.signature for meaning in meanings)}
    reserved |= {TO_FEATURES, FROM_FEATURES} if prepared else set()
    if taken := sorted(reserved & set(tasks)):
        raise ValueError(f"A task cannot be named {taken[0]!r}: another signature has that name.")
    arguments = _argument_names(inputs)
    specs = {arguments[i.name]: tf.TensorSpec([None], i.dtype, arguments[i.name]) for i in inputs}

    def by_input(given: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {i.name: given[arguments[i.name]] for i in inputs}

    def compute(given: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        outputs = predict(by_input(given))
        if missing := sorted(set(tasks) - set(outputs)):
            raise ValueError(f"Expected an output for each task: no output for task {missing[0]!r}")
        return {name: tf.identity(output) for name, output in outputs.items()}

    if prepared is None:
        graph = tf.function(compute, autograph=False).get_concrete_function(specs)
        between = {}
    else:
        core = tf.function(compute, autograph=False).get_concrete_function(
            {
                arguments[n]: tf.TensorSpec([None, *shape], prepared.dtypes[n], arguments[n])
                for n, shape in prepared.shapes.items()
            }
        )

        def to_features(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return {n: tf.identity(v) for n, v in prepared.prepare(by_input(raw)).items()}

        prepare = tf.function(to_features, autograph=False).get_concrete_function(specs)

        def predict_all(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            features: dict[str, tf.Tensor] = prepare(**raw)
            outputs: dict[str, tf.Tensor] = core(**{arguments[n]: v for n, v in features.items()})
            return outputs

        graph = tf.function(predict_all, autograph=False).get_concrete_function(specs)
        between = {TO_FEATURES: prepare, FROM_FEATURES: core}
    for task, output in graph.structured_outputs.items():
        shape = output.shape
        if shape.rank == 0 or (shape.rank and shape[0] is not None):
            what = f"Expected output {task!r} to have an unknown batch size as its first dimension."
            raise ValueError(f"{what} Received: shape {shape}")

    def predict_only(*chosen: str) -> tf.types.experimental.ConcreteFunction:
        def predict_some(raw: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            outputs = graph(**raw)
            return {task: outputs[task] for task in chosen}

        return tf.function(predict_some, autograph=False).get_concrete_function(specs)

    def from_examples(meaning: Classes | Value) -> tf.types.experimental.ConcreteFunction:
        defaults = {"string": "", "float32": float("nan")}
        features = {i.name: tf.io.FixedLenFeature([], i.dtype, defaults[i.dtype]) for i in inputs}

        def predict_examples(serialised: tf.Tensor) -> dict[str, tf.Tensor]:
            raw = tf.io.parse_example(serialised, features)
            output = graph(**{arguments[n]: v for n, v in raw.items()})[meaning.task]
            return meaning.response(output)

        spec = tf.TensorSpec([None], tf.string, "inputs")
        return tf.function(predict_examples, autograph=False).get_concrete_function(spec)

    more = graph.structured_outputs.keys() - set(tasks)
    signatures = {DEFAULT_SIGNATURE: graph}
    if more:
        signatures = {DEFAULT_SIGNATURE: predict_only(*tasks), DETAILED: graph}
    module = tf.Module()
    module.model = model
    tf.saved_model.save(
        module,
        str(path),
        signatures={
            **signatures,
            **between,
            **{task: predict_only(task) for task in tasks},
            **{m.signature: from_examples(m) for m in meanings},
        },
    )
    names = {a: n for n, a in arguments.items() if a != n}
    _amend(path, names, {m.signature: m.method for m in meanings})


def _argument_names(inputs: Sequence[SignatureInput]) -> dict[str, str]:
    """A graph argument per input: the input's name if TensorFlow takes it as it is.

    TensorFlow refuses names such as "hours per week". It renames "capital-gain", which could then
    clash with another input. Such inputs get a generated name.
    """
    names, arguments = [i.name for i in inputs], {}
    for position, name in enumerate(names):
        arguments[name] = name if _ARGUMENT.fullmatch(name) else f"input_{position}"
        while arguments[name] != name and arguments[name] in names:
            arguments[name] += "_"
    return arguments


def _amend(path: Path, names: Mapping[str, str], methods: Mapping[str, str]) -> None:
    """Give the inputs of all signatures their real names, and set the methods of signatures.

    Any text is a valid name of a signature's input; only graph arguments are restricted. Equal
    models become equal files: see `serving.canonical`.
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
    make_canonical(saved)
    file.write_bytes(saved.SerializeToString(deterministic=True))
    write_fingerprint(path)
