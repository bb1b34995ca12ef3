"""Convert the JSON of predict requests to arrays and back, as TF Serving's `json_tensor.cc` does.

Row form: `{"instances": [...]}` -> `{"predictions": [...]}`. Column form: `{"inputs": ...}` ->
`{"outputs": ...}`. The values of a single input or output need no name; several are objects by
name. Bytes are `{"b64": "..."}`, also in outputs named `*_bytes`. NaN and Infinity are allowed.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson

from serving.server.api.json_text import format_error, parse_document, text_of
from serving.server.api.json_values import WRITABLE, Parsed, array_of, is_named, pairs_of, parse
from serving.wire.errors import ServingError, invalid
from serving.wire.tensors import data_type, short_name

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class PredictBody:
    """A decoded predict request. form: the form of the request, and so of its response."""

    form: Literal["row", "column"]
    signature: str
    inputs: Arrays


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
    signature = signature_of(document)
    types = inputs_of(signature or default_signature)
    if not types:
        which = signature or "DEFAULT"
        raise invalid(f"Failed to get input map for signature: {which}")
    signature = signature or default_signature
    if "instances" in document and "inputs" in document:
        raise format_error(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise format_error(document, "Expecting 'instances' to be an list/array")
        if not instances:
            raise format_error(document, "No values in 'instances' array")
        return PredictBody("row", signature, _rows(instances, types))
    if "inputs" in document:
        return PredictBody("column", signature, _columns(document["inputs"], types))
    raise invalid("Missing 'inputs' or 'instances' key")


def signature_of(document: Mapping[str, Any]) -> str:
    """The signature that a request names; "" if it names none.

    Raises:
        ServingError: INVALID_ARGUMENT: it is no text.
    """
    signature = document.get("signature_name", "")
    if not isinstance(signature, str):
        raise format_error(
            document, "not formatted correctly. 'signature_name' key must be a string value."
        )
    return signature


def encode_predict(form: Literal["row", "column"], outputs: Mapping[str, np.ndarray]) -> bytes:
    """The body of the response.

    Raises:
        ServingError: INVALID_ARGUMENT: row form is impossible (scalars, unequal batch sizes), JSON
            has no form for a type, or there is no output.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if form == "row":
        _check_rows(outputs)
    for array in outputs.values():
        if array.size and (number := data_type(array)) not in WRITABLE:
            raise invalid(f"Failed to write JSON value for tensor type: {short_name(number)}")
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


def shortest(array: np.ndarray) -> list[Any]:
    """The floats of an array as the shortest decimals that read back as the same numbers."""
    if array.dtype == np.float64:
        return list(array.tolist())
    return list(array.astype("U32").astype(np.float64).tolist())


def _rows(instances: list[Any], types: Mapping[str, int]) -> Arrays:
    if len(types) > 1 and not isinstance(instances[0], dict):
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    try:
        arrays = _uniform_rows(instances, types)
    except ServingError:
        arrays = None  # the other way finds the row that is wrong
    return _mixed_rows(instances, types) if arrays is None else arrays


def _uniform_rows(instances: list[Any], types: Mapping[str, int]) -> Arrays | None:
    """Each input of all rows at once. None: names are missing, unknown or come again."""
    if not is_named(instances[0]):
        name = min(types)
        return {name: _array(parse(instances, types[name]), types[name])}
    names = types.keys()
    if not all(type(row) is dict and row.keys() == names for row in instances):
        return None
    columns = {name: parse([row[name] for row in instances], types[name]) for name in types}
    return {name: _array(column, types[name]) for name, column in columns.items()}


def _mixed_rows(instances: list[Any], types: Mapping[str, int]) -> Arrays:
    """Row by row, as TF Serving: slower, but it knows which row is wrong."""
    named = is_named(instances[0])
    columns: dict[str, list[Parsed]] = {name: [] for name in types}

    def add(name: str, value: Any) -> None:
        if name not in types:
            raise invalid(f"JSON object: does not have named input: {name}")
        column = columns[name]
        column.append(parse(value, types[name], column[0] if column else None))

    for row, instance in enumerate(instances):
        where = f"Failed to process element: {row}"
        if named and not is_named(instance):
            raise invalid(f"Expecting object but got list at item {row} of input list")
        if not named and is_named(instance):
            raise invalid(f"Expecting value/list but got object at item {row} of input list")
        if not named:
            with _within(f"{where} of 'instances' list."):
                add(min(types), instance)
            continue
        for name, value in pairs_of(instance):
            with _within(f"{where} key: {name} of 'instances' list."):
                add(name, value)
        if instance.keys() != types.keys():
            raise invalid(
                f"{where} of 'instances' list. JSON object: {text_of(instance)} "
                f"keys must be equal to: {','.join(sorted(types))}"
            )
    arrays = {}
    for name, column in columns.items():
        if column:  # a plain list has values for the first input only
            shape = (len(instances), *column[0].shape)
            elements = [element for row in column for element in row.elements]
            # a name that comes again adds values; TF Serving takes as many as there is room for
            arrays[name] = _array(Parsed(shape, elements[: math.prod(shape)]), types[name])
    return arrays


def _columns(inputs: Any, types: Mapping[str, int]) -> Arrays:
    if not is_named(inputs):
        if len(types) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        inputs = dict.fromkeys(types, inputs)
    arrays = {}
    for name, number in types.items():
        if name not in inputs:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
        arrays[name] = _array(parse(inputs[name], number), number)
    return arrays


def _array(parsed: Parsed, number: int) -> np.ndarray:
    return array_of(parsed.elements, parsed.shape, number)


@contextmanager
def _within(where: str) -> Iterator[None]:
    """Name the place in the request in the message of an error."""
    try:
        yield
    except ServingError as error:
        raise invalid(f"{where} Error: {error.code.name}: {error.message}") from None


def _check_rows(outputs: Mapping[str, np.ndarray]) -> None:
    """Whether all outputs have the same number of rows."""
    first = next(iter(outputs.values())).shape[:1]
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if array.shape[:1] != first:
            mismatch = f"inconsistent batch size: {len(array)} expecting: {first[0]}"
            raise invalid(f"Tensor name: {name} has {mismatch}")


def _values(name: str, array: np.ndarray, finite: bool) -> Any:
    """Values for the JSON encoder; `orjson` writes floats as their shortest decimals itself."""
    if array.dtype == object:
        return _strings(array.tolist(), name.endswith("_bytes"))
    if array.ndim == 0:
        return shortest(array[None])[0] if array.dtype.kind == "f" else array.item()
    if finite:
        return np.ascontiguousarray(array)
    return shortest(array) if array.dtype.kind == "f" else array.tolist()


def _strings(value: Any, as_base64: bool) -> Any:
    if isinstance(value, list):
        return [_strings(item, as_base64) for item in value]
    if as_base64:
        return {"b64": base64.b64encode(value).decode()}
    return value.decode("utf-8", "replace")
