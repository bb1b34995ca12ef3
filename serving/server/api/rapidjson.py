"""Parse JSON exactly as TF Serving's parser does, with its error messages. Slow: see `json_text`.

RapidJSON reads NaN, Inf and Infinity, stops at the end of the first value, allows any depth, and
reads whole numbers of more than 64 bits as floating-point numbers.
"""

from __future__ import annotations

import math
import re
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?(?:([eE])[+-]?[0-9]+)?")
_NONFINITE = re.compile(r"(-?)(NaN|Infinity|Inf(?!i))")
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", **dict(zip("bfnrt", "\b\f\n\r\t", strict=True))}
_WORDS = {"n": ("null", None), "t": ("true", True), "f": ("false", False)}
_LONGEST_INTEGER = 20
"""Digits of the largest number of 64 bits; longer ones cannot be integers."""


class Repeated(dict[str, Any]):
    """A JSON object that has a name more than once.

    As a mapping it holds the first value of each name; `pairs` has all names and values.
    """

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs


class ParseError(Exception):
    """reason: in RapidJSON's words. position: in the text."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(reason, position)
        self.reason, self.position = reason, position


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object with these members."""
    members = dict(pairs)
    return members if len(members) == len(pairs) else Repeated(pairs)


def parse(text: str) -> Any:
    """The first value in a text.

    Raises:
        ParseError: the text does not start with a value.
    """
    position = _skip(text, 0)
    if position == len(text) or text[position] in "]},:":
        raise ParseError("The document is empty.", position)
    open_values: list[tuple[list[Any], str | None]] = []  # the members so far, and the last name
    while True:
        value: Any = None
        character = text[position : position + 1]
        if character and character in "[{":
            position = _skip(text, position + 1)
            closing = "]" if character == "[" else "}"
            if text.startswith(closing, position):
                value, position = ([] if character == "[" else {}), position + 1
            else:
                name = None
                if character == "{":
                    name, position = _name(text, position)
                open_values.append(([], name))
                continue
        else:
            value, position = _scalar(text, position)
        while True:  # the value is complete: add it to what contains it, which may then be, too
            if not open_values:
                return value
            members, name = open_values[-1]
            members.append(value if name is None else (name, value))
            position = _skip(text, position)
            character = text[position : position + 1]
            if character == ",":
                position = _skip(text, position + 1)
                if name is not None:
                    name, position = _name(text, position)
                    open_values[-1] = (members, name)
                break
            if character != ("]" if name is None else "}"):
                what = "] after an array element" if name is None else "} after an object member"
                raise ParseError(f"Missing a comma or {what}.", position)
            position += 1
            value = members if name is None else object_of(members)
            open_values.pop()


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()


def _name(text: str, position: int) -> tuple[str, int]:
    """The name of a member, and the position of its value."""
    if not text.startswith('"', position):
        raise ParseError("Missing a name for object member.", position)
    name, position = _string(text, position)
    position = _skip(text, position)
    if not text.startswith(":", position):
        raise ParseError("Missing a colon after a name of object member.", position)
    return name, _skip(text, position + 1)


def _scalar(text: str, position: int) -> tuple[Any, int]:
    character = text[position : position + 1]
    if character == '"':
        return _string(text, position)
    if character in _WORDS:
        word, value = _WORDS[character]
        end = position
        for expected in word:
            if not text.startswith(expected, end):
                raise ParseError("Invalid value.", end)
            end += 1
        return value, end
    if match := _NONFINITE.match(text, position):
        number = math.nan if match[2] == "NaN" else math.inf
        return (-number if match[1] else number), match.end()
    match = _NUMBER.match(text, position)
    if match is None:
        raise ParseError("Invalid value.", position + (character == "-"))
    end = match.end()
    if match[2] is None and text[end : end + 1] in ("e", "E"):
        signed = text[end + 1 : end + 2] in ("+", "-")
        raise ParseError("Miss exponent in number.", end + 1 + signed)
    if match[1] is None and match[2] is None:
        if text.startswith(".", end):
            raise ParseError("Miss fraction part in number.", end + 1)
        if end - position <= _LONGEST_INTEGER + 1:
            whole = int(match[0])
            if -(2**63) <= whole < 2**64:
                return whole, end
    number = float(match[0])
    if math.isinf(number):
        raise ParseError("Number too big to be stored in double.", position)
    return number, end


def _string(text: str, position: int) -> tuple[str, int]:
    """The string that starts at a quotation mark, and the position after it."""
    parts, position = [], position + 1
    while True:
        match = _PLAIN.match(text, position)
        assert match is not None
        parts.append(match[0])
        position = match.end()
        character = text[position : position + 1]
        if character == '"':
            return "".join(parts), position + 1
        if character != "\\":
            missing = character in ("", "\0")
            reason = "Missing a closing quotation mark in string."
            raise ParseError(reason if missing else "Invalid encoding in string.", position)
        escape = text[position + 1 : position + 2]
        if escape == "u":
            part, position = _escaped(text, position)
            parts.append(part)
        elif escape in _ESCAPES and escape:
            parts.append(_ESCAPES[escape])
            position += 2
        else:
            raise ParseError("Invalid escape character in string.", position)


def _escaped(text: str, position: int) -> tuple[str, int]:
    r"""The character of `\uXXXX`, or of two of them if it is above U+FFFF."""
    units = []
    for start in (position, position + 6):
        if not text.startswith("\\u", start):
            break
        if not (match := _HEX.match(text, start + 2)):
            raise ParseError("Incorrect hex digit after \\u escape in string.", position)
        units.append(int(match[0], 16))
        if not 0xD800 <= units[0] <= 0xDBFF:
            break
    if 0xD800 <= units[0] <= 0xDFFF:
        if len(units) == 1 or not 0xDC00 <= units[1] <= 0xDFFF:
            raise ParseError("The surrogate pair in string is invalid.", position)
        pair = 0x10000 + ((units[0] - 0xD800) << 10) + (units[1] - 0xDC00)
        return chr(pair), position + 12
    return chr(units[0]), position + 6
