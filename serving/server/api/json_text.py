"""The JSON text of requests: parse it as TF Serving does, and write values into messages.

TF Serving's parser differs from Python's: it reads `Inf`, ignores what follows the document, keeps
repeated names, refuses numbers and surrogates that Python takes, and allows any depth. So `orjson`
parses what all parsers read alike, Python's `json` the rest of the usual requests (those with NaN,
or with a colon in a text), and `rapidjson` whatever is left, which is rare.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import orjson

from serving.server.api import rapidjson
from serving.wire.errors import ServingError, invalid

MAX_ODD_BYTES = 5 * 2**18
"""The largest document that is left to the slow parser; a larger one gets Python's message."""
_DECODER = json.JSONDecoder(object_pairs_hook=rapidjson.object_of)
_DOUBTFUL = re.compile(r"\\u[dD][89a-fA-F]|[eE]\+?[0-9]{3}|[0-9]{300}")
"""What Python may take although TF Serving refuses it: surrogates, and numbers beyond 1e308."""
_LONGEST_MESSAGE = 256
_INDENT = "    "


def parse_document(body: bytes) -> dict[str, Any]:
    """The JSON object of a request.

    Objects with a repeated name are `rapidjson.Repeated`. Bytes that are not UTF-8 are surrogates,
    as `surrogateescape` makes them.

    Raises:
        ServingError: INVALID_ARGUMENT: the body is no JSON object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    document = _parse(body)
    if not isinstance(document, dict):
        raise format_error(document, "Is not object")
    return document


def format_error(value: Any, reason: str) -> ServingError:
    """The error for a value of a wrong form."""
    return invalid(f"JSON Value: {text_of(value)} {reason}")


def text_of(value: Any) -> str:
    """A JSON value for a message, in TF Serving's layout; a long one is cut."""
    parts, length = [], 0
    for part in _tokens(value, 0):
        parts.append(part)
        length += len(part)
        if length >= _LONGEST_MESSAGE:
            break
    return "".join(parts).encode("utf-8", "replace").decode()


def type_of(value: Any) -> str:
    """The name of a JSON value's type in messages."""
    if isinstance(value, bool):
        return str(value)
    names = {type(None): "Null", str: "String", list: "Array", int: "Number", float: "Number"}
    return names.get(type(value), "Object")


def _parse(body: bytes) -> Any:
    try:
        document = orjson.loads(body)
        strict = True
    except orjson.JSONDecodeError:
        strict = False
    if strict and _count_names(document) == body.count(b":"):
        return document  # each colon belongs to one name, so no name was repeated
    text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    try:
        document, _ = _DECODER.raw_decode(text, _start(text))
        if strict or not _DOUBTFUL.search(text):
            return document
        reason = "A number or a surrogate in it may be invalid"
    except RecursionError:
        reason = "It is nested too deeply"
    except ValueError as error:
        reason = getattr(error, "msg", str(error))
    if len(body) > MAX_ODD_BYTES:
        raise invalid(f"JSON Parse error: {reason}")
    try:
        return rapidjson.parse(text)
    except rapidjson.ParseError as error:
        offset = len(text[: error.position].encode("utf-8", "surrogateescape"))
        raise invalid(f"JSON Parse error: {error.reason} at offset: {offset}") from None


def _start(text: str) -> int:
    return len(text) - len(text.lstrip(" \t\r\n"))


def _count_names(value: Any) -> int:
    """How many names the objects in a value have; of a list of scalars, only the first is seen."""
    if isinstance(value, dict):
        return len(value) + sum(map(_count_names, value.values()))
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return sum(map(_count_names, value))
    return 0


def _tokens(value: Any, depth: int) -> Iterator[str]:
    if isinstance(value, dict):
        yield "{"
        pairs = value.pairs if isinstance(value, rapidjson.Repeated) else value.items()
        for position, (name, member) in enumerate(pairs):
            yield ("," if position else "") + "\n" + _INDENT * (depth + 1)
            yield f"{_quoted(name)}: "
            yield from _tokens(member, depth + 1)
        yield ("\n" + _INDENT * depth if pairs else "") + "}"
    elif isinstance(value, list):
        yield "["
        for position, item in enumerate(value):
            if position:
                yield ", "
            yield from _tokens(item, depth + 1)
        yield "]"
    elif isinstance(value, str):
        yield _quoted(value)
    else:
        yield json.dumps(value)


def _quoted(text: str) -> str:
    return json.dumps(text[:_LONGEST_MESSAGE], ensure_ascii=False)
