"""Makes a self-contained feature of a user's Keras layer, and loads the layer from the feature."""

from __future__ import annotations

import base64
import hashlib
import inspect
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
"""The member of a Keras archive that holds its date and Keras's version."""


class LayerError(ValueError):
    """The user's layer cannot be used; the message says what is wrong and what is expected."""


def layer_feature(spec: LayerInput, values: Callable[[], Iterable[np.ndarray]]) -> LayerFeature:
    """The layer of an input, adapted if it has `adapt`. Equal arguments give equal features.

    values: each call gives the raw training values, without missing ones, in arrays [rows].

    Raises:
        LayerError: the module or the layer cannot be used, or its output is not as expected.
    """
    try:
        source = read_module(spec.module)
    except (OSError, ValueError) as e:
        raise LayerError(f"module {spec.module!r}: {e}") from e
    place, dtype = f"{spec.module}: {spec.layer}", _dtype(spec.reads)
    keras.utils.clear_session()  # its counters of names and seeds are saved with layers
    keras.utils.set_random_seed(0)
    cls: Any = _defined(source, spec.module).get(spec.layer)
    if not (inspect.isclass(cls) and issubclass(cls, keras.layers.Layer)):
        raise LayerError(f"{place} is not a subclass of `keras.layers.Layer`.")
    raw = keras.Input((1,), dtype=dtype.name, name="raw")
    try:
        layer: Any = cls(**{"name": "layer", **spec.options})
        if hasattr(layer, "adapt"):
            signature = tf.TensorSpec([None, 1], dtype)
            layer.adapt(
                tf.data.Dataset.from_generator(
                    lambda: (part[:, None] for part in values()), output_signature=signature
                )
            )
        model = keras.Model(raw, layer(raw), name="layer_input")
        files = _saved(model)
    except Exception as e:  # the user's code and Keras may raise any exception
        raise LayerError(f"{place}: {_message(e)}") from e
    shape = model.output_shape
    if not (isinstance(shape, tuple) and len(shape) == 2 and shape[1]):
        expected = "Expected [batch, width] numbers, with a fixed width."
        raise LayerError(f"{place} gives {shape}. {expected}")
    feature = LayerFeature(
        name=spec.name,
        column=spec.column,
        reads=spec.reads,
        width=shape[1],
        source=source,
        layer=spec.layer,
        files=files,
    )
    _check_same(model, feature, next(iter(values()), np.empty(0, dtype.as_numpy_dtype)), place)
    return feature


def load_layer(feature: LayerFeature) -> keras.Model:
    """A model from raw [batch, 1] to [batch, width]. This runs the user's code."""
    known = _defined(feature.source, f"layer of {feature.name}")
    with tempfile.NamedTemporaryFile(suffix=".keras") as saved:
        with zipfile.ZipFile(saved, "w") as members:
            members.writestr(_ARCHIVE_ONLY, "{}")
            for file in feature.files:
                members.writestr(file.name, base64.b64decode(file.content))
        saved.flush()
        return keras.saving.load_model(
            saved.name, custom_objects=known, compile=False, safe_mode=True
        )


def _check_same(model: keras.Model, feature: LayerFeature, some: np.ndarray, place: str) -> None:
    """Check on some raw values [rows] that the layer is the same after it is saved and loaded."""
    missing = np.array([np.nan if feature.reads == "number" else ""], some.dtype)
    raw = tf.constant(np.concatenate([some, missing])[:, None], _dtype(feature.reads))
    problem = (
        "It is not the same when it is saved and read back. Expected a `get_config` that gives all"
        " arguments of its constructor, and state in weights or in layers of Keras."
    )
    try:
        before, after = (np.asarray(m(raw, training=False)) for m in (model, load_layer(feature)))
    except Exception as e:  # as above
        raise LayerError(f"{place}: {_message(e)}\n{problem}") from e
    if not np.array_equal(before, after, equal_nan=True):
        raise LayerError(f"{place}: {problem}")


def _saved(model: keras.Model) -> tuple[StateFile, ...]:
    """The members of a Keras archive of a model that do not depend on when it is saved."""
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
        raise LayerError(f"{place}: {_message(e)}") from e
    return {n: v for n, v in vars(module).items() if getattr(v, "__module__", None) == name}


def _message(error: Exception) -> str:
    """An error's type and text, without the terminal colours that Keras adds."""
    return re.sub(r"(\x1b|\\x1b)\[[0-9;]*m", "", f"{type(error).__name__}: {error}")


def _dtype(reads: str) -> tf.DType:
    return tf.float32 if reads == "number" else tf.string
