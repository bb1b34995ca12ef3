"""A Keras layer of the user's own: from its file to a self-contained feature, and from there to a
graph.

Importing this module imports nothing heavy; building and loading layers imports TensorFlow.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import inspect
import io
import linecache
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

from models.features import LayerFeature, StateFile
from models.inputs import LayerInput
from models.lazy import keras, tf

_ARCHIVE_ONLY = "metadata.json"
"""Of a Keras archive: when it was saved, and by which version."""


class LayerError(ValueError):
    """The user's layer cannot be used: what is wrong with it, and what is expected."""


def check_layer(given: LayerInput) -> list[str]:
    """What is wrong with an input's module, one sentence each, found without running it."""
    try:
        tree = ast.parse(Path(given.module).read_bytes(), given.module)
    except OSError as e:
        return [f"module {given.module!r}: {e.strerror}. Expected a Python file."]
    except (SyntaxError, ValueError) as e:
        return [f"module {given.module!r}: {e}."]
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    if given.layer in classes:
        return []
    found = f"Classes there: {', '.join(classes)}." if classes else "It defines none."
    return [f"module {given.module!r} has no class {given.layer!r}. {found}"]


def layer_feature(
    given: LayerInput, values: Callable[[], Iterable[object]] | None = None
) -> LayerFeature:
    """The layer of an input, adapted if it can be, as a feature.

    values: the training split's raw values, in arrays [rows], as often as it is called.

    Raises:
        LayerError: the module, the layer, its adaptation or its answers are not as expected.
    """
    source = Path(given.module).read_text(encoding="utf-8")
    classes = _layers_of(source, given.module)
    if given.layer not in classes:
        raise LayerError(f"{given.module}: {given.layer!r} is no class of a `keras.layers.Layer`.")
    kind = tf.float32 if given.reads == "number" else tf.string
    raw = keras.Input((), dtype=kind.name, name="raw")
    try:
        layer = classes[given.layer](**{"name": "layer", **given.options})
        if hasattr(layer, "adapt") and values is not None:
            spec = tf.TensorSpec([None], kind)
            layer.adapt(tf.data.Dataset.from_generator(values, output_signature=spec))
        model = keras.Model(raw, layer(raw), name="layer_input")
        files = _saved(model)
    except Exception as e:  # the user's code and Keras raise what they like
        raise LayerError(f"{given.module}: {given.layer}: {type(e).__name__}: {e}") from e
    shape = model.output_shape
    if not (isinstance(shape, tuple) and len(shape) in (1, 2) and None not in shape[1:]):
        raise LayerError(
            f"{given.module}: {given.layer} gives {shape}. Expected [batch] or [batch, width]"
            " numbers, the width known beforehand."
        )
    return LayerFeature(
        name=given.name,
        column=given.column,
        reads=given.reads,
        width=shape[1] if len(shape) == 2 else 1,
        source=source,
        layer=given.layer,
        files=files,
    )


def load_layer(feature: LayerFeature) -> keras.Model:
    """The layer of a feature, as a model from raw [batch] to [batch] or [batch, width].

    It runs the user's code.
    """
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr(_ARCHIVE_ONLY, "{}")
        for file in feature.files:
            members.writestr(file.name, base64.b64decode(file.content))
    classes = _layers_of(feature.source, f"layer of {feature.name}")
    with tempfile.NamedTemporaryFile(suffix=".keras") as saved:
        saved.write(archive.getvalue())
        saved.flush()
        return keras.saving.load_model(saved.name, custom_objects=classes, compile=False)


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


def _layers_of(source: str, place: str) -> dict[str, type[keras.layers.Layer]]:
    """The layers that a module defines, by the names of their classes."""
    name = f"rootstock_layers_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    module, file = ModuleType(name), f"<{place}>"
    sys.modules[name] = module  # TensorFlow's AutoGraph reads code through both of these
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    try:
        exec(compile(source, file, "exec"), vars(module))
    except Exception as e:
        raise LayerError(f"{place}: {type(e).__name__}: {e}") from e
    return {
        n: cls
        for n, cls in vars(module).items()
        if inspect.isclass(cls) and cls.__module__ == name and issubclass(cls, keras.layers.Layer)
    }
