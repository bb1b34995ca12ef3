"""Rows in the forms that people have them: DataFrames, Arrow tables, lists, single rows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.data.raw import raw_inputs
from components.errors import RootstockError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from models.inputs.base import Input


def raw_of(table: pa.Table, inputs: Sequence[Input]) -> dict[str, np.ndarray]:
    """What a served model takes, from rows as in the data; see `raw_inputs`.

    Raises:
        RootstockError: a column is missing or has another type; a file cannot be read.
    """
    images = {i.column for i in inputs if i.raw == "bytes"}
    return raw_inputs(_with_files(table, images), inputs)


def table_of(rows: Any) -> pa.Table:
    """Rows in any of the forms of `Result.predict`."""
    import pyarrow as pa

    if isinstance(rows, pa.Table):
        return rows
    if hasattr(rows, "iloc"):
        return pa.Table.from_pandas(rows, preserve_index=False)
    if isinstance(rows, Mapping):
        listed = {n: v if _is_column(v) else [v] for n, v in rows.items()}
        return pa.table({name: _plain(values) for name, values in listed.items()})
    return pa.Table.from_pylist([{n: _cell(v) for n, v in row.items()} for row in rows])


def _is_column(value: object) -> bool:
    return isinstance(value, list | tuple) or getattr(value, "ndim", 0) > 0


def _plain(values: Iterable[Any]) -> list[Any]:
    return [_cell(v) for v in values]


def _cell(value: Any) -> Any:
    """A value as Arrow reads it: paths as text, and None for NaN, by which pandas marks missing
    texts too.
    """
    if isinstance(value, float) and value != value:
        return None
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _with_files(table: pa.Table, images: Iterable[str]) -> pa.Table:
    """The table with the content of files in place of their paths.

    Raises:
        RootstockError: a file cannot be read.
    """
    import pyarrow as pa

    for column in set(images) & set(table.column_names):
        if pa.types.is_string(table.column(column).type):
            paths = table.column(column).to_pylist()
            try:
                content = [None if p is None else Path(p).read_bytes() for p in paths]
            except OSError as e:
                raise RootstockError(
                    f"{column}: {e.filename} cannot be read ({e.strerror})."
                ) from e
            place = table.column_names.index(column)
            table = table.set_column(place, column, pa.array(content, pa.binary()))
    return table
