"""Writes the SavedModel of a Keras model. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.errors import RootstockError
from components.export.classes_file import write_classes
from components.export.interface import interface_of
from components.export.keras_model import KerasModel
from models.inputs.base import Feature
from models.lazy import keras, tf
from models.multitask.answering import Answering
from models.multitask.model import MultitaskModel
from models.tasks.base import TaskTarget
from models.trunks.layers.hub_module import adopted
from models.trunks.layers.trim_padding import trimming
from serving.interface import write_interface
from serving.signatures import Classes, Prepared, SignatureInput, Value, export
from serving.warmup import write_warm_up

if TYPE_CHECKING:
    from components.export.settings import Export

Function = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def write_saved_model(
    served: KerasModel, raw: Mapping[str, np.ndarray], directory: Path, form: Export
) -> None:
    """Write the SavedModel, with warm-up requests and classes in its `assets.extra`.

    raw: a few examples for warm-up: see `components.data.raw`.

    Raises:
        RootstockError: the model cannot have this form.
    """
    core = prepared_of(served) if served.has_core else None
    features = served.features if core is None else served.features_of_prepared
    owner, compute = computation(served, form, features)

    def predict(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return named(compute(inputs), served.record.targets)

    with static_shapes(served.model, form.xla):
        _export(predict, owner, served.record.features, served.record.targets, raw, directory, core)


def prepared_of(served: KerasModel) -> Prepared:
    """What the core of a model takes: see `KerasModel.prepared`."""
    features = served.record.features
    numbers = {f.name for f in features if f.raw == "number"}
    return Prepared(
        served.prepared,
        {f.name: () if f.name in numbers else f.shape for f in features},
        {f.name: "float32" if f.name in numbers else f.dtype for f in features},
    )


def write_ensemble(
    served: Sequence[KerasModel],
    shares: Sequence[float],
    answering: Answering,
    raw: Mapping[str, np.ndarray],
    directory: Path,
    form: Export,
) -> None:
    """Write the SavedModel of several models, which answers with the weighted mean of theirs.

    served: of the same tasks and raw inputs. shares: the weight of each. answering: how the mean is
        served.
    """
    targets = [head.target for head in answering.heads]
    owner = tf.Module()
    owner.members, functions = zip(*(computation(s, form, s.features) for s in served), strict=True)

    def predict(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        answers = [function(inputs) for function in functions]
        means = {
            t.name: tf.add_n([s * a[t.name] for s, a in zip(shares, answers, strict=True)])
            for t in targets
        }
        return named(answering.of_answers(means), targets)

    _export(predict, owner, served[0].record.features, targets, raw, directory)


def computation(served: KerasModel, form: Export, features: Function) -> tuple[tf.Module, Function]:
    """What owns the variables and tables of a model, and its answers to the inputs of `features`,
    which makes what the model takes.
    """
    model = served.model
    owner = tf.Module()
    owner.preprocessing = served.preprocessing
    owner.experts = served.experts
    owner.modules = [la.module for la in adopted(model.trunk)]
    answers: Function = model.details
    if form.weights == "float32":
        owner.weights = [w.value for w in model.weights]
    else:
        owner.weights, within = _with_small_weights(model, form.weights)
        features, answers = within(features), within(answers)
    if form.xla:
        answers = tf.function(answers, jit_compile=True, autograph=False)
    return owner, lambda inputs: answers(features(inputs))


def named(outputs: Mapping[str, Any], targets: Sequence[TaskTarget]) -> dict[str, Any]:
    """The outputs with the names of classes in place of their indices."""
    found = dict(outputs)
    for target in targets:
        if (name := f"{target.name}.class") in found:
            found[name] = tf.gather(tf.constant(target.classes), found[name])
    return found


def _export(
    predict: Function,
    owner: tf.Module,
    features: Sequence[Feature],
    targets: Sequence[TaskTarget],
    raw: Mapping[str, np.ndarray],
    directory: Path,
    prepared: Prepared | None = None,
) -> None:
    """Write a SavedModel with these inputs and tasks. prepared: what `predict` takes, if it does
    not take raw inputs.
    """
    export(
        predict,
        owner,
        [SignatureInput(f.name, f.raw_dtype) for f in features],
        [t.name for t in targets],
        directory,
        [
            Classes(t.name, t.classes) if t.task.serving_method == "classify" else Value(t.name)
            for t in targets
        ],
        prepared,
    )
    write_warm_up(directory, raw)
    write_classes(targets, directory)
    write_interface(interface_of(features, targets), directory)


@contextmanager
def static_shapes(model: MultitaskModel, wanted: bool) -> Iterator[None]:
    """Do not trim padding, because XLA supports only static shapes."""
    layers = trimming(model.trunk) if wanted else []
    before = [layer.enabled for layer in layers]
    for layer in layers:
        layer.enabled = False
    try:
        yield
    finally:
        for layer, enabled in zip(layers, before, strict=True):
            layer.enabled = enabled


def _with_small_weights(
    model: MultitaskModel, dtype: str
) -> tuple[list[tf.Variable], Callable[[Function], Function]]:
    """Weights for the SavedModel, and what makes a function of the model use them.

    Matrices are stored in `dtype` and cast to float32 for computing. Vectors (scales, moving
    statistics and most biases) stay in float32: they are small, and need the precision.

    Raises:
        RootstockError: a weight is too large for `dtype`, or the trunk is a TF-Hub module.
    """
    if adopted(model.trunk):
        raise RootstockError(
            f"export.weights: the weights of a TF-Hub module cannot be changed. Received: {dtype}."
            " Expected float32, or another trunk."
        )
    tables = [la for la in model._flatten_layers() if isinstance(la, keras.layers.Embedding)]
    embeddings = {id(la.embeddings) for la in tables if la.built}
    stored, mapping = [], []
    for weight in model.weights:
        if len(weight.shape) < 2 or weight.dtype != "float32":
            stored.append(weight.value)
            continue
        small = tf.Variable(tf.cast(weight.value, dtype), trainable=False)
        if not bool(tf.reduce_all(tf.math.is_finite(small))):
            raise RootstockError(
                f"export.weights: {weight.path} has values beyond the range of {dtype}."
                " Expected bfloat16 or float32 for this model."
            )
        stored.append(small)
        mapping.append((weight, small, id(weight) in embeddings))

    def within(function: Function) -> Function:
        def computed(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
            values = [
                (weight, small.value() if is_embedding else tf.cast(small, tf.float32))
                for weight, small, is_embedding in mapping
            ]  # rows of an embedding are cast when they are read
            with keras.StatelessScope(state_mapping=values):
                return function(inputs)

        return computed

    return stored, within
