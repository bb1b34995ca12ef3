"""LiteRT (formerly TensorFlow Lite), in float32."""

from __future__ import annotations

import importlib
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.data.lazy import np
from components.errors import RootstockError
from components.export.portable.base import Arrays, Core, PortableFormat, Runtime

_UNKNOWN_OP = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")


@dataclass(frozen=True, kw_only=True)
class LiteRT(PortableFormat):
    """A `.tflite` file of LiteRT's own operations, for one row at a time: phones and small devices
    have no batches, and their accelerators need fixed shapes.
    """

    file = "model.tflite"
    rows_at_once = 1
    name: Literal["litert"] = "litert"

    def write(self, core: Core, rows: Arrays, file: Path) -> None:
        file.write_bytes(converted(core, self.name, lambda converter: None))

    def load(self, file: Path) -> Runtime:
        return loaded(file)


def converted(core: Core, name: str, configure: Callable[[Any], None]) -> bytes:
    """The core as a LiteRT model of the signature `serving_default`.

    configure: sets the options of the `tf.lite.TFLiteConverter`.

    Raises:
        RootstockError: LiteRT lacks an operation of the core.
    """
    from models.lazy import tf

    module = tf.Module()
    module.owner, module.core = core.owner, core.function(batch=1)
    with tempfile.TemporaryDirectory() as directory:
        signature = module.core.get_concrete_function()
        tf.saved_model.save(module, directory, signatures={"serving_default": signature})
        converter = tf.lite.TFLiteConverter.from_saved_model(directory)
        configure(converter)
        try:
            with _without_notice():
                model: bytes = converter.convert()
        except Exception as error:  # the converter raises several kinds
            lacking = sorted(set(_UNKNOWN_OP.findall(str(error))))
            why = f"lacks operations of this model: {', '.join(lacking)}"
            if not lacking:
                why = f"cannot express this model: {str(error).splitlines()[0][:500]}"
            raise RootstockError(
                f"export.formats: {name}: LiteRT {why}. Leave the format out, or choose another"
                " trunk."
            ) from error
    return model


def loaded(file: Path) -> Runtime:
    """A LiteRT model of one row at a time, in its interpreter."""
    interpreter = _interpreter()(model_path=str(file), num_threads=1)
    runner = interpreter.get_signature_runner("serving_default")

    def answers(inputs: Arrays) -> dict[str, np.ndarray]:
        count = len(next(iter(inputs.values())))
        rows = [runner(**{n: v[i : i + 1] for n, v in inputs.items()}) for i in range(count)]
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}

    return answers


def _interpreter() -> Any:
    """The class: of `ai_edge_litert`, or TensorFlow's copy of it where that is not installed."""
    try:
        return importlib.import_module("ai_edge_litert.interpreter").Interpreter
    except ImportError:
        from models.lazy import tf

        def of_tensorflow(**options: Any) -> Any:
            with _without_notice():
                return tf.lite.Interpreter(**options)

        return of_tensorflow


@contextmanager
def _without_notice() -> Iterator[None]:
    """Without the warning that a later TensorFlow will not have the interpreter."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"\s*Warning: tf\.lite\.Interpreter", UserWarning)
        yield
