"""A JSON object to a tf.train.Example, as TF Serving's `json_tensor.cc` reads it.

A value is a scalar or a list of one kind: whole numbers become int64, decimals float, text and
`{"b64": "…"}` bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.server.api.json_values import is_base64, parse, text_of
from serving.wire.errors import invalid
from serving.wire.tensors import STRING

_FLOAT, _INT64 = 1, 9


def example(features: Mapping[str, Any]) -> Any:
    """The Example. Raises ServingError: INVALID_ARGUMENT: mixed kinds, nested lists, objects."""
    from tensorflow.core.example import example_pb2

    made = example_pb2.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        kinds = {_kind(name, v) for v in values}
        if len(kinds) > 1:
            raise invalid(f"Unable to assign value {text_of(value)} to feature {name}: mixed kinds")
        feature = made.features.feature[name]
        for kind in kinds:
            cells = parse(values, kind).values
            if kind == STRING:
                feature.bytes_list.value.extend(cells)
            elif kind == _INT64:
                feature.int64_list.value.extend(cells)
            else:
                feature.float_list.value.extend(cells)
    return made


def _kind(name: str, value: Any) -> int:
    if isinstance(value, str) or is_base64(value):
        return STRING
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(f"JSON value: {text_of(value)} of feature {name} is not of a supported type.")
    return _INT64 if isinstance(value, int) else _FLOAT
