"""Converts text columns to typed ones: infers types, and finds values that do not fit."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator

from components.data.lazy import pa, pc


def _check_encoding(encoding: str) -> str:
    try:
        codecs.lookup(encoding)
    except LookupError as e:
        raise ValueError("expected an encoding that Python knows, such as utf-8 or cp1252") from e
    return encoding


Encoding = Annotated[str, AfterValidator(_check_encoding)]
ColumnType = Literal["int", "float", "bool", "string"]
ARROW_NAMES = {"int": "int64", "float": "double", "bool": "bool", "string": "string"}
_PROBLEMS = {"int64": "not an integer", "double": "not a number", "bool": "neither true nor false"}
UNTYPED = "had no values in the first rows, so its type is unknown; set it under `types`"
_HEXADECIMAL = "^[+-]?0[xX]"
_CODE = "^[+-]?0[0-9]"  # such as a postal code: as a number it would lose its zeros
_DIGITS = "^[+-]?[0-9]+$"


def declared_types(types: Mapping[str, ColumnType]) -> dict[str, pa.DataType]:
    """The Arrow types of a reader's option `types`, by column."""
    return {name: pa.type_for_alias(ARROW_NAMES[kind]) for name, kind in types.items()}


def decode(
    column: pa.Array, null_values: tuple[str, ...], strip: bool
) -> tuple[pa.Array, list[int]]:
    """UTF-8 bytes as text, with null for `null_values`; and the rows that are not UTF-8."""
    bad: list[int] = []
    try:
        texts = column.cast(pa.string())
    except pa.ArrowInvalid:
        values = column.to_pylist()
        for row, value in enumerate(values):
            try:
                value.decode()
            except UnicodeDecodeError:
                bad.append(row)
                values[row] = None
        texts = pa.array(values, pa.binary()).cast(pa.string())
    if strip:
        texts = pc.utf8_trim_whitespace(texts)
    if null_values:
        null = pc.is_in(texts, pa.array(null_values, pa.string()))
        if null.true_count:
            texts = pc.if_else(null, pa.scalar(None, pa.string()), texts)
    return texts, bad


def infer_type(column: pa.Array) -> pa.DataType:
    """The type of a column of texts: int64, float64, bool or string; null without values.

    Digits with leading zeros and integers beyond 64 bits are codes, such as postal codes: text.
    """
    values = column.drop_null()
    if not len(values):
        return pa.null()
    for part in (values.slice(0, 100), values):  # text usually shows in the first rows
        kind = _type_of(pc.utf8_trim_whitespace(part.unique()))
        if kind == pa.string():
            return kind
    return kind


def _type_of(values: pa.Array) -> pa.DataType:
    if pc.all(pc.is_in(pc.utf8_lower(values), pa.array(["true", "false"]))).as_py():
        return pa.bool_()
    if pc.any(pc.match_substring_regex(values, f"{_HEXADECIMAL}|{_CODE}")).as_py():
        return pa.string()
    digits = pc.all(pc.match_substring_regex(values, _DIGITS)).as_py()
    kind = pa.int64() if digits else pa.float64()
    try:
        values.cast(kind)
    except pa.ArrowInvalid:
        return pa.string()
    return kind


def parse_column(column: pa.Array, kind: pa.DataType) -> tuple[pa.Array, dict[int, str]]:
    """Texts as values of `kind`. Texts that do not fit become null; their rows are returned with a
    reason.
    """
    if kind == pa.string():
        return column, {}
    if kind == pa.null():
        rows = pc.indices_nonzero(pc.is_valid(column)).to_pylist()
        return pa.nulls(len(column)), dict.fromkeys(rows, UNTYPED)
    values = column
    # Mostly the texts fit as they are.
    for prepare in (lambda v: v, pc.utf8_trim_whitespace, pc.utf8_lower):
        values = prepare(values)
        try:
            if not _too_lenient(values, kind):
                return values.cast(kind), {}
        except pa.ArrowInvalid:
            pass
    distinct = values.drop_null().unique()
    good = pa.array([v for v in distinct.to_pylist() if _parses(v, kind)], pa.string())
    bad = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, good)))
    rows = pc.indices_nonzero(bad).to_pylist()
    texts = column.take(pa.array(rows, pa.int64())).to_pylist()
    problem = _PROBLEMS[str(kind)]
    reasons = {row: f"{t[:80]!r} is {problem}" for row, t in zip(rows, texts, strict=True)}
    return pc.if_else(bad, pa.scalar(None, pa.string()), values).cast(kind), reasons


def _too_lenient(values: pa.Array, kind: pa.DataType) -> bool:
    """Whether Arrow would accept a value that we do not, such as 0x10 for 16 or 1 for true."""
    if kind == pa.bool_():
        return not pc.all(pc.is_in(values, pa.array(["true", "false", None]))).as_py()
    return bool(kind == pa.int64() and pc.any(pc.match_substring_regex(values, "[xX]")).as_py())


def _parses(value: str, kind: pa.DataType) -> bool:
    single = pa.array([value])
    try:
        single.cast(kind)
    except pa.ArrowInvalid:
        return False
    return not _too_lenient(single, kind)
