"""What columns look like from their first rows: the inputs and tasks that specs make of them."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.data.casting import texts
from components.errors import RootstockError

Part = dict[str, Any]
YES = ("yes", "y", "true", "t", "1", "spam", "positive", "pos")
MOST_CLASSES = 100
MOST_CATEGORIES = 1000
MOST_PIXELS = 224
"""Of a side."""
WORDS = 4
"""Texts have as many on average."""
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([T ].*)?")


def guess_input(name: str, column: pa.ChunkedArray) -> Part | str:
    """The input that a column would be, or why it is left out."""
    if column.null_count == len(column):
        return "no values in its first rows"
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _image(column)
    if pa.types.is_boolean(kind) or pa.types.is_floating(kind):
        return {"kind": "numeric"}
    if pa.types.is_integer(kind):
        named = re.search(r"(^|[^a-z])(id|key|uuid)$", name.lower())
        return _identifier(column) if named and _all_differ(column) else {"kind": "numeric"}
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _string(column)
    return f"{kind} values"


def guess_task(column: pa.ChunkedArray, label: str) -> Part:
    """The task whose label is a column.

    Raises:
        RootstockError: it holds nothing that a task could predict.
    """
    task: Part = {"kind": "regression", "label": label}
    if pa.types.is_list(column.type):
        return task | {"kind": "multilabel"}
    if pa.types.is_floating(column.type) and not _whole(column):
        return task
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type):
        raise RootstockError(
            f"--label {label}: the column holds {column.type} values. Expected numbers or texts."
        )
    counts = Counter(texts(column).drop_null().to_pylist())
    numbers = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if len(counts) < 2:
        raise RootstockError(
            f"--label {label}: {'one value' if counts else 'no value'} in the first"
            f" {len(column):,} rows. Expected two or more."
        )
    if len(counts) == 2:
        rare = min(counts, key=lambda v: (counts[v], v))
        yes = next((v for v in counts if v.lower() in YES), max(counts) if numbers else rare)
        return task | {"kind": "binary", "positive": yes}
    if numbers and len(counts) > min(20, len(column) // 5):
        return task
    if len(counts) > MOST_CLASSES:
        raise RootstockError(
            f"--label {label}: {len(counts)} different texts in the first {len(column):,} rows, too"
            " many for classes. Expected a column of few values, or of numbers."
        )
    return task | {"kind": "multiclass"}


def _image(column: pa.ChunkedArray) -> Part | str:
    from PIL import Image, UnidentifiedImageError

    try:
        some = column.drop_null().slice(0, 50).to_pylist()
        images = [Image.open(io.BytesIO(value)) for value in some]
    except UnidentifiedImageError:
        return "bytes that are no images"
    width, height = (sorted(i.size[k] for i in images)[len(images) // 2] for k in (0, 1))
    smaller = min(1.0, MOST_PIXELS / max(width, height))
    found = {
        "kind": "image",
        "height": max(1, round(height * smaller)),
        "width": max(1, round(width * smaller)),
    }
    return found | ({"channels": 1} if all(i.mode in ("1", "L") for i in images) else {})


def _string(column: pa.ChunkedArray) -> Part | str:
    values = column.drop_null()
    dates = pc.match_substring_regex(values, f"^{_DATE.pattern}$")
    if pc.mean(dates).as_py() > 0.9:
        return {"kind": "categorical", "part": "month"}
    words = pc.mean(pc.count_substring_regex(values, r"\S+")).as_py()
    if words >= WORDS:
        return {"kind": "text"}
    distinct = len(values.unique())
    if _all_differ(column):
        return _identifier(column)
    many = distinct > min(MOST_CATEGORIES, len(values) / 2)
    return {"kind": "categorical"} | ({"buckets": 4096} if many else {})


def _all_differ(column: pa.ChunkedArray) -> bool:
    return len(column) > 20 and len(column.unique()) == len(column)


def _identifier(column: pa.ChunkedArray) -> str:
    return f"a value of its own in each row, such as {column[0].as_py()!r}"


def _whole(column: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.equal(pc.floor(column), column)).as_py())
