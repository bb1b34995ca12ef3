"""Convert a JSON object to a tf.train.Example, as TF Serving's `json_tensor.cc` does.

A value is a scalar or a list of one type: integers become int64, decimals become float, text and
`{"b64": "…"}` become bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from serving.server.api.json_values import is_base64, parse, text_of
from serving.wire.errors import invalid
from serving.wire.tensors import STRING

_FLOAT, _INT64 = 1, 9


def example_of(features: Mapping[str, Any]) -> Any:
    """The Example of these features.

    Raises:
        ServingError: INVALID_ARGUMENT: mixed types, nested lists or objects.
    """
    from tensorflow.core.example import example_pb2

    example = example_pb2.Example()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        types = {_data_type(name, v) for v in values}
        if len(types) > 1:
            raise invalid(f"Unable to assign value {text_of(value)} to feature {name}: mixed kinds")
        feature = example.features.feature[name]
        for data_type in types:
            elements = parse(values, data_type).elements
            if data_type == STRING:
                feature.bytes_list.value.extend(elements)
            elif data_type == _INT64:
                feature.int64_list.value.extend(elements)
            else:
                feature.float_list.value.extend(elements)
    return example


def _data_type(name: str, value: Any) -> int:
    if isinstance(value, str) or is_base64(value):
        return STRING
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid(f"JSON value: {text_of(value)} of feature {name} is not of a supported type.")
    return _INT64 if isinstance(value, int) else _FLOAT
