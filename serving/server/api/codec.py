"""Convert the JSON of predict requests to arrays and back, as TF Serving's `json_tensor.cc` does.

Row form: `{"instances": [...]}` -> `{"predictions": [...]}`. Column form: `{"inputs": ...}` ->
`{"outputs": ...}`. The values of a single input or output need no name; several are objects by
name. Bytes are `{"b64": "..."}`, also in outputs named `*_bytes`. NaN and Infinity are allowed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson

from serving.server.api.json_values import Parsed, array_of, is_named, parse, text_of
from serving.wire.errors import ServingError, invalid


@dataclass(frozen=True)
class PredictBody:
    """A decoded predict request. form: the form of the request, and so of its response."""

    form: Literal["row", "column"]
    signature: str
    inputs: dict[str, np.ndarray]


def decode_predict(
    body: bytes, default_signature: str, inputs_of: Callable[[str], Mapping[str, int]]
) -> PredictBody:
    """Decode the body of a predict request.

    Args:
        body: the JSON.
        default_signature: the signature if the body names none.
        inputs_of: returns the DataTypes of a signature's inputs by name.

    Raises:
        ServingError: INVALID_ARGUMENT: the body is malformed. Also what `inputs_of` raises.
    """
    document = parse_document(body)
    signature = document.get("signature_name", "")
    if not isinstance(signature, str):
        raise invalid(
            f"JSON Value: {text_of(document)} not formatted correctly. 'signature_name' key "
            "must be a string value."
        )
    signature = signature or default_signature
    types = inputs_of(signature)
    if "instances" in document and "inputs" in document:
        raise invalid(
            f"JSON Value: {text_of(document)} Not formatted correctly expecting only one of "
            "'inputs' or 'instances' keys to exist "
        )
    if "instances" in document:
        return PredictBody("row", signature, _rows(document["instances"], types))
    if "inputs" in document:
        return PredictBody("column", signature, _columns(document["inputs"], types))
    raise invalid("Missing 'inputs' or 'instances' key")


def encode_predict(form: Literal["row", "column"], outputs: Mapping[str, np.ndarray]) -> bytes:
    """The body of the response.

    Raises:
        ServingError: INVALID_ARGUMENT: row form is impossible: scalars, unequal batch sizes.
    """
    if form == "row":
        sizes = {name: array.shape[:1] for name, array in outputs.items()}
        first = next(iter(sizes.values()))
        for name, size in sizes.items():
            if not size:
                raise invalid(f"Tensor name: {name} has no shape information ")
            if size != first:
                mismatch = f"inconsistent batch size: {size[0]} expecting: {first[0]}"
                raise invalid(f"Tensor name: {name} has {mismatch}")
    finite = all(array.dtype.kind != "f" or np.isfinite(array).all() for array in outputs.values())
    values = {name: _values(name, array, finite) for name, array in outputs.items()}
    if form == "column":
        response = {"outputs": values if len(values) > 1 else next(iter(values.values()))}
    elif len(values) == 1:
        response = {"predictions": next(iter(values.values()))}
    else:
        rows = zip(*values.values(), strict=True)
        response = {"predictions": [dict(zip(values, row, strict=True)) for row in rows]}
    if finite:
        return orjson.dumps(response, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(response).encode()  # orjson cannot write NaN and Infinity


def parse_document(body: bytes) -> dict[str, Any]:
    """The JSON object of a request.

    Raises:
        ServingError: INVALID_ARGUMENT: the body is no JSON object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error.msg} at offset: {error.pos}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"JSON Parse error: {error}") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {text_of(document)} Is not object")
    return document


def _rows(instances: Any, types: Mapping[str, int]) -> dict[str, np.ndarray]:
    if not isinstance(instances, list):
        raise invalid(f"JSON Value: {text_of(instances)} Excepting 'instances' to be an list/array")
    if not instances:
        raise invalid("JSON Value: [] No values in 'instances' array")
    if len(types) > 1 and not isinstance(instances[0], dict):
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    named = is_named(instances[0])
    columns: dict[str, list[Parsed]] = {name: [] for name in types}

    def add(name: str, value: Any) -> None:
        column = columns[name]
        column.append(parse(value, types[name], column[0] if column else None))

    for row, instance in enumerate(instances):
        where = f"Failed to process element: {row}"
        if named and not is_named(instance):
            raise invalid(f"Expecting object but got list at item {row} of input list")
        if not named and is_named(instance):
            raise invalid(f"Expecting value/list but got object at item {row} of input list")
        if not named:
            name = next(iter(types))
            with _within(f"{where} of 'instances' list."):
                add(name, instance)
            continue
        for name, value in instance.items():
            with _within(f"{where} key: {name} of 'instances' list."):
                if name not in types:
                    raise invalid(f"JSON object: does not have named input: {name}")
                add(name, value)
        if instance.keys() != types.keys():
            raise invalid(
                f"{where} of 'instances' list. JSON object: {text_of(instance)} "
                f"keys must be equal to: {','.join(sorted(types))}"
            )
    arrays = {}
    for name, column in columns.items():
        elements = [element for row in column for element in row.elements]
        arrays[name] = array_of(elements, (len(instances), *column[0].shape), types[name])
    return arrays


def _columns(inputs: Any, types: Mapping[str, int]) -> dict[str, np.ndarray]:
    if not is_named(inputs):
        if len(types) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        inputs = dict.fromkeys(types, inputs)
    arrays = {}
    for name, data_type in types.items():
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        parsed = parse(inputs[name], data_type)
        arrays[name] = array_of(parsed.elements, parsed.shape, data_type)
    return arrays


@contextmanager
def _within(where: str) -> Iterator[None]:
    """Name the place in the request in the message of an error."""
    try:
        yield
    except ServingError as error:
        raise invalid(f"{where} Error: {error.code.name}: {error.message}") from None


def _values(name: str, array: np.ndarray, finite: bool) -> Any:
    """Values for the JSON encoder.

    Floats are written as the shortest decimals that read back as the same number. orjson does that
    for arrays; for `json`, float32 goes through its text form.
    """
    if array.dtype == object:
        return _strings(array.tolist(), name.endswith("_bytes"))
    if finite:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "f" and array.dtype != np.float64:
        return array.astype("U32").astype(np.float64).tolist()
    return array.tolist()


def _strings(value: Any, as_base64: bool) -> Any:
    if isinstance(value, list):
        return [_strings(item, as_base64) for item in value]
    if as_base64:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode("utf-8", "replace")
