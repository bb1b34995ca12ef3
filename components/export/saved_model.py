"""A Keras model as the SavedModel that is served. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.errors import RootstockError
from components.export.classes_file import write_classes
from components.export.keras_model import KerasModel
from models.lazy import keras, tf
from models.multitask.model import MultitaskModel
from models.trunks.layers.hub_module import adopted
from models.trunks.layers.trim_padding import trimming
from serving.signatures import Classes, SignatureInput, Value, export
from serving.warmup import write_warm_up

if TYPE_CHECKING:
    from components.export.settings import Export

Answers = Callable[[dict[str, Any]], Mapping[str, Any]]


def write_saved_model(
    served: KerasModel, raw: Mapping[str, np.ndarray], directory: Path, form: Export | None = None
) -> None:
    """Write the SavedModel, with warm-up requests and classes in its `assets.extra`.

    raw: a few examples as `components.data.raw` gives them, for warm-up. form: float32 when absent.

    Raises:
        RootstockError: the model cannot take the form.
    """
    model, targets = served.model, served.record.targets
    owner = tf.Module()
    owner.preprocessing = served.preprocessing
    owner.modules = [la.module for la in adopted(model.trunk)]
    answers: Answers = model.answers
    if form is None or form.weights == "float32":
        owner.weights = [w.value for w in model.weights]
    else:
        owner.weights, answers = _with_small_weights(model, form.weights)
    with _compilable(model, bool(form and form.xla)):
        if form and form.xla:
            answers = tf.function(answers, jit_compile=True, autograph=False)
        export(
            lambda given: answers(served.preprocessing(given)),
            owner,
            [SignatureInput(f.name, f.raw_dtype) for f in served.record.features],
            [t.name for t in targets],
            directory,
            [
                Classes(t.name, t.classes) if t.task.serving_method == "classify" else Value(t.name)
                for t in targets
            ],
        )
    write_warm_up(directory, raw)
    write_classes(targets, directory)


@contextmanager
def _compilable(model: MultitaskModel, wanted: bool) -> Iterator[None]:
    """XLA knows static shapes alone."""
    layers = trimming(model.trunk) if wanted else []
    before = [layer.enabled for layer in layers]
    for layer in layers:
        layer.enabled = False
    try:
        yield
    finally:
        for layer, enabled in zip(layers, before, strict=True):
            layer.enabled = enabled


def _with_small_weights(model: MultitaskModel, dtype: str) -> tuple[list[tf.Variable], Answers]:
    """Matrices kept in `dtype` and computed with in float32; vectors (scales, moving statistics and
    most biases) stay as they are: they are few and small numbers matter in them.

    Raises:
        RootstockError: a weight is too large for the type, or a module keeps its own.
    """
    if adopted(model.trunk):
        raise RootstockError(
            f"export.weights: a TF-Hub module keeps its weights as they are. Received: {dtype}."
            " Expected float32, or another trunk."
        )
    looked_up = {
        id(la.embeddings)
        for la in model._flatten_layers()
        if isinstance(la, keras.layers.Embedding) and la.built
    }
    kept, mapping = [], []
    for weight in model.weights:
        if len(weight.shape) < 2 or weight.dtype != "float32":
            kept.append(weight.value)
            continue
        small = tf.Variable(tf.cast(weight.value, dtype), trainable=False)
        if not bool(tf.reduce_all(tf.math.is_finite(small))):
            raise RootstockError(
                f"export.weights: {weight.path} holds values beyond the range of {dtype}."
                " Expected bfloat16 or float32 for such a model."
            )
        kept.append(small)
        mapping.append((weight, small, id(weight) in looked_up))

    def answers(features: dict[str, Any]) -> Mapping[str, Any]:
        values = [
            (w, small.value() if looked else tf.cast(small, tf.float32))  # rows are cast when read
            for w, small, looked in mapping
        ]
        with keras.StatelessScope(state_mapping=values):
            found: Mapping[str, Any] = model.answers(features)
        return found

    return kept, answers
