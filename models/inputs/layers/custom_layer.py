"""A Keras layer of the user's own: from its file to a self-contained feature, and from there to a
graph.

Importing this module imports nothing heavy; building and loading layers imports TensorFlow.
"""

from __future__ import annotations

import base64
import hashlib
import inspect
import io
import linecache
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from models.inputs.base import StateFile
from models.inputs.layer import LayerFeature, LayerInput, read_module
from models.lazy import keras, tf

_ARCHIVE_ONLY = "metadata.json"
"""Of a Keras archive: when it was saved, and by which version."""


class LayerError(ValueError):
    """The user's layer cannot be used: what is wrong with it, and what is expected."""


def layer_feature(given: LayerInput, values: Callable[[], Iterable[np.ndarray]]) -> LayerFeature:
    """The layer of an input, adapted if it can be, as a feature: the same one each time.

    values: the training split's raw values that are not missing, in arrays [rows], as often as it
        is called.

    Raises:
        LayerError: the module, the layer, its adaptation or its answers are not as expected.
    """
    try:
        source = read_module(given.module)
    except (OSError, ValueError) as e:
        raise LayerError(f"module {given.module!r}: {e}") from e
    place, kind = f"{given.module}: {given.layer}", _dtype(given.reads)
    keras.utils.clear_session()  # its counters of names and seeds are saved with layers
    keras.utils.set_random_seed(0)
    cls: Any = _defined(source, given.module).get(given.layer)
    if not (inspect.isclass(cls) and issubclass(cls, keras.layers.Layer)):
        raise LayerError(f"{place} is no class of a `keras.layers.Layer`.")
    raw = keras.Input((1,), dtype=kind.name, name="raw")
    try:
        layer: Any = cls(**{"name": "layer", **given.options})
        if hasattr(layer, "adapt"):
            spec = tf.TensorSpec([None, 1], kind)
            layer.adapt(
                tf.data.Dataset.from_generator(
                    lambda: (part[:, None] for part in values()), output_signature=spec
                )
            )
        model = keras.Model(raw, layer(raw), name="layer_input")
        files = _saved(model)
    except Exception as e:  # the user's code and Keras raise what they like
        raise LayerError(f"{place}: {_told(e)}") from e
    shape = model.output_shape
    if not (isinstance(shape, tuple) and len(shape) == 2 and shape[1]):
        raise LayerError(
            f"{place} gives {shape}. Expected [batch, width] numbers, the width known beforehand."
        )
    feature = LayerFeature(
        name=given.name,
        column=given.column,
        reads=given.reads,
        width=shape[1],
        source=source,
        layer=given.layer,
        files=files,
    )
    _check_same(model, feature, next(iter(values()), np.empty(0, kind.as_numpy_dtype)), place)
    return feature


def load_layer(feature: LayerFeature) -> keras.Model:
    """The layer of a feature, as a model from raw [batch, 1] to [batch, width].

    It runs the user's code.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr(_ARCHIVE_ONLY, "{}")
        for file in feature.files:
            members.writestr(file.name, base64.b64decode(file.content))
    known = _defined(feature.source, f"layer of {feature.name}")
    with tempfile.NamedTemporaryFile(suffix=".keras") as saved:
        saved.write(archive.getvalue())
        saved.flush()
        return keras.saving.load_model(saved.name, custom_objects=known, compile=False)


def _check_same(model: keras.Model, feature: LayerFeature, some: np.ndarray, place: str) -> None:
    """Hold the layer that comes back from its files against the one that went in."""
    missing = np.array([np.nan if feature.reads == "number" else ""], some.dtype)
    raw = tf.constant(np.concatenate([some, missing])[:, None], _dtype(feature.reads))
    told = (
        "It is not the same when it is saved and read back. Expected a `get_config` that gives all"
        " arguments of its constructor, and state in weights or in layers of Keras."
    )
    try:
        before, after = (np.asarray(m(raw, training=False)) for m in (model, load_layer(feature)))
    except Exception as e:  # as above
        raise LayerError(f"{place}: {_told(e)}\n{told}") from e
    if not np.array_equal(before, after, equal_nan=True):
        raise LayerError(f"{place}: {told}")


def _saved(model: keras.Model) -> tuple[StateFile, ...]:
    """The members of a Keras archive that say the same whenever it is saved."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "layer.keras"
        model.save(file)
        with zipfile.ZipFile(file) as archive:
            return tuple(
                StateFile(name=n, content=base64.b64encode(archive.read(n)).decode())
                for n in sorted(archive.namelist())
                if n != _ARCHIVE_ONLY
            )


def _defined(source: str, place: str) -> dict[str, Any]:
    """The classes and functions that a module defines, by name."""
    name = f"rootstock_layers_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    module, file = ModuleType(name), f"<{place}>"
    sys.modules[name] = module  # TensorFlow's AutoGraph reads code through both of these
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    try:
        exec(compile(source, file, "exec", dont_inherit=True), vars(module))
    except Exception as e:
        raise LayerError(f"{place}: {_told(e)}") from e
    return {n: v for n, v in vars(module).items() if getattr(v, "__module__", None) == name}


def _told(error: Exception) -> str:
    """An error's kind and text, without the colours that Keras gives it."""
    return re.sub(r"(\x1b|\\x1b)\[[0-9;]*m", "", f"{type(error).__name__}: {error}")


def _dtype(reads: str) -> tf.DType:
    return tf.float32 if reads == "number" else tf.string
