"""Removing parts of texts that carry no words, such as HTML tags."""

from __future__ import annotations

from collections.abc import Sequence

from models.inputs.text import Cleaning
from models.lazy import tf

_PATTERNS: dict[Cleaning, str] = {
    "html": r"(?is)<(script|style)\b.*?</(script|style)>|<[^<>]+>|&[a-z]+;|&#\d+;",
    "urls": r"(?i)\b(https?://|www\.)\S+",
    "emails": r"\b[\w.+-]+@[\w-]+(\.[\w-]+)+\b",
    "numbers": r"\b\d+([.,:/-]\d+)*\b",
}


def clean_text(text: tf.Tensor, cleaning: Sequence[Cleaning]) -> tf.Tensor:
    """[batch] UTF-8 text, with a space in place of each match of the named patterns."""
    for name in cleaning:
        text = tf.strings.regex_replace(text, _PATTERNS[name], " ")
    return text
