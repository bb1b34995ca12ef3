"""Slices: groups of rows with equal values in some columns, each evaluated separately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from components.data.casting import numbers, texts
from components.data.lazy import np, pa, pc
from components.errors import RootstockError
from models.config import STRICT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

MOST_VALUES = 100
MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One slice for each value of a column, or for each combination of the values of several.

    columns: columns of the examples, which need not be inputs.
    edges: for columns of numbers, in ascending order. `age: [30, 50]` makes three slices: below 30,
        from 30 to below 50, and from 50 on.
    """

    __pydantic_config__ = STRICT
    columns: Annotated[tuple[str, ...], Field(min_length=1)]
    edges: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def check_slices(slices: Sequence[Slice]) -> None:
    """Check slices before anything runs.

    Raises:
        RootstockError: a slice makes no sense.
    """
    for position, s in enumerate(slices):
        where = f"evaluation.slices.{position}"
        if len(set(s.columns)) < len(s.columns):
            raise RootstockError(f"{where}: a column is named twice in {list(s.columns)}.")
        for column, edges in s.edges.items():
            if column not in s.columns:
                raise RootstockError(f"{where}: edges of {column!r}, which is not in `columns`.")
            if not edges or list(edges) != sorted(set(edges)):
                raise RootstockError(
                    f"{where}: expected ascending edges of {column!r}. Received: {list(edges)}."
                )


def masks(slices: Sequence[Slice], rows: pa.Table) -> dict[str, Mask]:
    """[rows] by slice name, such as `sex=Female & age=30..50`; only slices that have rows.

    Raises:
        RootstockError: a column is missing, cannot be sliced by, or has too many values.
    """
    by_name: dict[str, Mask] = {}
    for s in slices:
        values = [_values(column, s.edges.get(column), rows) for column in s.columns]
        for combination in product(*(v.items() for v in values)):
            inside = np.logical_and.reduce([mask for _, mask in combination])
            if inside.any():
                by_name[" & ".join(name for name, _ in combination)] = inside
    return by_name


def columns_of(slices: Sequence[Slice]) -> list[str]:
    return list(dict.fromkeys(column for s in slices for column in s.columns))


def _values(column: str, edges: tuple[float, ...] | None, rows: pa.Table) -> dict[str, Mask]:
    """The rows of each value or range of a column, by `column=value`."""
    if column not in rows.column_names:
        raise RootstockError(f"evaluation.slices: no column {column!r} in the examples.")
    values = rows.column(column).combine_chunks()
    if edges is not None:
        return _ranges(column, edges, values)
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        problem = f"holds {values.type}, which cannot be sliced by."
        raise RootstockError(f"evaluation.slices: {column!r} {problem}")
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    encoded = pc.fill_null(texts(values), MISSING).dictionary_encode()
    if len(encoded.dictionary) > MOST_VALUES:
        raise RootstockError(
            f"evaluation.slices: {column!r} has {len(encoded.dictionary)} values, more than"
            f" {MOST_VALUES}. For a column of numbers give edges: {{{column}: [...]}}."
        )
    codes = encoded.indices.to_numpy()
    named = {f"{column}={v}": code for code, v in enumerate(encoded.dictionary.to_pylist())}
    return {name: codes == code for name, code in sorted(named.items())}


def _ranges(column: str, edges: tuple[float, ...], values: pa.Array) -> dict[str, Mask]:
    try:
        sizes = numbers(values)
    except pa.ArrowException as e:
        raise RootstockError(
            f"evaluation.slices: edges of {column!r} need numbers; it holds {values.type}: {e}"
        ) from e
    ends = [f"{e:g}" for e in edges]
    names = [f"..{ends[0]}", *map("..".join, pairwise(ends)), f"{ends[-1]}.."]
    place = np.where(np.isnan(sizes), -1, np.searchsorted(edges, sizes, side="right"))
    ranges = {f"{column}={name}": place == i for i, name in enumerate(names)}
    return {**ranges, f"{column}={MISSING}": place == -1}
