"""Columns that identify rows or groups of rows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from components.inputs.identifiers import identifies

ROWS = 240


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("subject#", [i // 30 for i in range(ROWS)], "groups"),
        ("patient_id", [f"P{i // 4}" for i in range(ROWS)], "groups"),
        ("customerID", [i // 3 for i in range(ROWS)], "groups"),
        ("userid", [i // 3 for i in range(ROWS)], "groups"),
        ("loan id", [i // 2 for i in range(ROWS)], "groups"),
        ("person", [float(i // 2) for i in range(ROWS)], None),
        ("participant", [float(i // 2) for i in range(ROWS)], "groups"),
        ("id", list(range(ROWS)), "rows"),
        ("uuid", [f"u{i}" for i in range(ROWS)], "rows"),
        ("code", [f"u{i}" for i in range(ROWS)], "rows"),
        ("amount", list(range(ROWS)), None),
        ("store_id", [i // 30 for i in range(ROWS)], "things"),
        ("LocationID", [i // 3 for i in range(ROWS)], "things"),
        ("group", ["treated", "control"] * 120, None),
        ("customer", ["new", "old", "lost"] * 80, None),
        ("customer type", ["new", "old", "lost"] * 80, None),
        ("age group", ["young", "old", "child"] * 80, None),
        ("number of children", [i % 5 for i in range(ROWS)], None),
        ("number_customer_service_calls", [i % 10 for i in range(ROWS)], None),
        ("num_visits", [i % 10 for i in range(ROWS)], None),
        ("num_patient", [i // 4 for i in range(ROWS)], "groups"),
        ("household size", [i % 5 for i in range(ROWS)], None),
        ("subject", ["hello you there now", "a b c d e f"] * 120, None),
        ("paid", [i % 5 for i in range(ROWS)], None),
        ("patient weight", [i / 7 for i in range(ROWS)], None),
    ],
)
def test_what_a_column_identifies(name: str, values: list[object], expected: str | None) -> None:
    assert identifies(name, pa.chunked_array([pa.array(values)])) == expected
