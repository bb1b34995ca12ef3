"""The column of what experts say."""

from __future__ import annotations

from models.experts.margins import MARGINS, Margins


def test_it_is_a_column_of_numbers() -> None:
    column = Margins(width=5)
    assert (column.name, column.shape, column.dtype) == (MARGINS, (5,), "float32")
