"""Convert a JSON object to a tf.train.Example, as TF Serving's `json_tensor.cc` does.

A value is a scalar or a list of one type: integers and booleans become int64, decimals become
float, text and `{"b64": "…"}` become bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from serving.server.api.json_text import type_of
from serving.server.api.json_values import decode_base64, encoded, is_base64, is_large, pairs_of
from serving.wire.errors import invalid

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int64"}


def example_of(value: Any) -> Any:
    """The Example of a JSON object of features.

    Raises:
        ServingError: INVALID_ARGUMENT: no object, mixed types, nested lists or objects.
    """
    from tensorflow.core.example import example_pb2

    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_of(value)}")
    example = example_pb2.Example()
    for name, content in pairs_of(value):
        key = name.encode("utf-8", "replace").decode()  # messages hold UTF-8 only
        feature = example.features.feature[key]
        feature.Clear()  # a name that comes again replaces the values before
        kind = None
        elements: list[Any] = []
        for item in content if isinstance(content, list) else [content]:
            found, element = _element(name, item)
            if found != (kind := kind or found):
                expected = _KINDS[kind]
                raise invalid(
                    f"Unexpected element type in feature: {name} expecting type: {expected}"
                )
            elements.append(element)
        if kind == "float_list":
            with np.errstate(over="ignore"):
                elements = np.array(elements, np.float64).astype(np.float32).tolist()
        if kind is not None:
            getattr(feature, kind).value.extend(elements)
    return example


def _element(name: str, value: Any) -> tuple[str, Any]:
    """The field of a Feature that holds this value, and the value."""
    if isinstance(value, str):
        return "bytes_list", encoded(value)
    if is_base64(value):
        return "bytes_list", decode_base64(value["b64"])
    if isinstance(value, float) or (isinstance(value, int) and is_large(value)):
        return "float_list", float(value)
    if isinstance(value, int) and value >= 2**63:
        raise invalid(f"Feature: {name} has uint64_t element. Only int64_t is supported.")
    if isinstance(value, int):
        return "int64_list", int(value)
    raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_of(value)}")
