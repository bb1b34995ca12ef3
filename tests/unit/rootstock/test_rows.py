"""Rows in every form, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import rootstock as rs
from rootstock.rows import _with_files, table_of


@pytest.mark.parametrize(
    "rows",
    [
        {"a": [1, 2], "b": ["x", None]},
        [{"a": 1, "b": "x"}, {"a": 2, "b": float("nan")}],
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pa.table({"a": [1, 2], "b": ["x", None]}),
    ],
)
def test_rows_in_any_form(rows: Any) -> None:
    assert table_of(rows).to_pylist() == [{"a": 1, "b": "x"}, {"a": 2, "b": None}]
    assert table_of({"a": 1, "b": "x"}).to_pylist() == [{"a": 1, "b": "x"}]


def test_images_are_files_or_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    for image in (tmp_path / "a.png", str(tmp_path / "a.png"), b"png"):
        table = _with_files(table_of({"image": image}), ["image"])
        assert table.to_pylist() == [{"image": b"png"}]
    with pytest.raises(rs.RootstockError, match="cannot be read"):
        _with_files(table_of({"image": "nowhere.png"}), ["image"])
