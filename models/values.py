"""Values as text: one rule for labels, classes and categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator


def text_of(value: Any) -> Any:
    """A value as text, as it is compared everywhere: 1.0 is "1", True is "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, int | float) else value


def _texts(value: Any) -> Any:
    """One value or a list of values, as a tuple of texts."""
    if isinstance(value, list | tuple):
        return tuple(text_of(v) for v in value)
    return (text_of(value),)


def _text_keys(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {text_of(k): text_of(v) for k, v in value.items()}
    return value


Scalar = str | int | float | bool
"""A value as YAML reads it."""
Text = Annotated[str, BeforeValidator(text_of, json_schema_input_type=Scalar)]
Texts = Annotated[
    tuple[Text, ...], BeforeValidator(_texts, json_schema_input_type=Scalar | tuple[Scalar, ...])
]
Weights = Annotated[Mapping[str, float], BeforeValidator(_text_keys)]
Renaming = Annotated[
    Mapping[str, str], BeforeValidator(_text_keys, json_schema_input_type=Mapping[str, Scalar])
]
