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
from components.labels.base import LabelSample, of_kind
from models.discovery import methods
from models.tasks.base import Task

Part = dict[str, Any]
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
    sample = _sample(column)
    for kind in methods("models.tasks", Task, "kind"):
        if (fields := of_kind(kind).guess(sample)) is not None:
            return {"kind": kind, "label": label, **fields}
    rows = f"in the first {len(column):,} rows"
    if sample.shape == "other":
        problem = f"the column holds {column.type} values. Expected numbers or texts."
    elif len(sample.counts) < 2:
        problem = f"{'one value' if sample.counts else 'no value'} {rows}. Expected two or more."
    else:
        problem = (
            f"{len(sample.counts)} different texts {rows}, too many for classes. Expected a column"
            " of few values, or of numbers."
        )
    raise RootstockError(f"--label {label}: {problem}")


def _sample(column: pa.ChunkedArray) -> LabelSample:
    kind, rows = column.type, len(column)
    if pa.types.is_list(kind):
        return LabelSample(shape="lists", rows=rows, counts={})
    if pa.types.is_nested(kind) or pa.types.is_binary(kind):
        return LabelSample(shape="other", rows=rows, counts={})
    counts = Counter(texts(column).drop_null().to_pylist())
    floats = pa.types.is_floating(kind)
    return LabelSample(
        shape="numbers" if floats or pa.types.is_integer(kind) else "text",
        rows=rows,
        counts=counts,
        fractions=floats and not _whole(column),
    )


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
