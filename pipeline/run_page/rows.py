"""Rows of the data as people see them: small pictures, beginnings of texts, values of columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any

from components.artifacts import Examples
from components.data.lazy import pq
from components.data.thumbnails import Picture, thumbnail
from components.inputs.base import kind_of
from models.inputs.base import Input

MOST_CHARACTERS = 280
MOST_VALUES = 12


@dataclass(frozen=True)
class Shown:
    """A row. values: by column, further columns than `MOST_VALUES` are left out. labels: by column,
    if they are wanted.
    """

    number: int
    pictures: tuple[Picture, ...]
    texts: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    left_out: int
    labels: tuple[tuple[str, str], ...] = ()


def shown(
    examples: Examples,
    split: str,
    rows: Sequence[int],
    inputs: Sequence[Input],
    labels: Sequence[str] = (),
) -> dict[int, Shown]:
    """Some rows of a split, by their number in it. Only shards with such a row are read.

    labels: columns of labels to show too.
    """
    columns = sorted({*(i.column for i in inputs), *labels})
    shards = examples.shards(split)
    starts = [0, *accumulate(pq.read_metadata(s).num_rows for s in shards)]
    found = {}
    for shard, (start, end) in zip(shards, pairwise(starts), strict=True):
        if inside := sorted({row for row in rows if start <= row < end}):
            table = pq.read_table(shard, columns=columns).take([row - start for row in inside])
            for number, row in zip(inside, table.to_pylist(), strict=True):
                known = tuple((column, _value(row[column])) for column in dict.fromkeys(labels))
                found[number] = replace(_shown(number, row, inputs), labels=known)
    return found


def _shown(number: int, row: dict[str, Any], inputs: Sequence[Input]) -> Shown:
    pictures, texts, values = [], [], dict[str, str]()
    for spec in inputs:
        value, described_as = row[spec.column], kind_of(spec).described_as
        if described_as == "image":
            pictures.append(thumbnail(f"{spec.name} of row {number}", value))
        elif described_as == "text":
            texts.append(_shortened("" if value is None else str(value)))
        else:
            values[spec.column] = _value(value)
    some = tuple(values.items())[:MOST_VALUES]
    return Shown(number, tuple(pictures), tuple(texts), some, len(values) - len(some))


def _value(value: object) -> str:
    if value is None or value != value:
        return "missing"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return f"{value:.6g}" if isinstance(value, float) else _shortened(str(value))


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}…"
