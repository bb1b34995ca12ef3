import numpy as np
import pyarrow as pa
import pytest

from components.data.slices import Slice, check_slices, masks
from components.errors import RootstockError

ROWS = pa.table(
    {
        "sex": ["f", "m", None, "f"],
        "age": [10, 30, 49, None],
        "rate": [0.5, float("nan"), 1.0, 0.5],
        "many": pa.array(range(4)),
        "list": [[1], [], None, [2]],
    }
)


def rows_of(*slices: Slice) -> dict[str, list[int]]:
    return {name: np.flatnonzero(rows).tolist() for name, rows in masks(slices, ROWS).items()}


def test_a_slice_for_each_value():
    assert rows_of(Slice(columns=("sex",)), Slice(columns=("rate",))) == {
        "sex=f": [0, 3],
        "sex=m": [1],
        "sex=missing": [2],
        "rate=0.5": [0, 3],
        "rate=1": [2],
        "rate=missing": [1],
    }


def test_ranges_hold_their_lower_edge():
    assert rows_of(Slice(columns=("age",), edges={"age": (30, 49)})) == {
        "age=..30": [0],
        "age=30..49": [1],
        "age=49..": [2],
        "age=missing": [3],
    }


def test_combinations_of_columns_without_rows_are_left_out():
    assert rows_of(Slice(columns=("sex", "age"), edges={"age": (30,)})) == {
        "sex=f & age=..30": [0],
        "sex=f & age=missing": [3],
        "sex=m & age=30..": [1],
        "sex=missing & age=30..": [2],
    }


def test_columns_with_too_many_values_are_refused():
    table = pa.table({"id": pa.array(range(101))})
    with pytest.raises(RootstockError, match=r"101 values.*give edges"):
        masks([Slice(columns=("id",))], table)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Slice(columns=("nowhere",)), "no column 'nowhere'"),
        (Slice(columns=("list",)), "cannot be sliced by"),
        (Slice(columns=("sex",), edges={"sex": (1.0,)}), "need numbers"),
    ],
)
def test_columns_that_cannot_be_sliced_by_are_named(given, said):
    with pytest.raises(RootstockError, match=said):
        masks([given], ROWS)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Slice(columns=("a", "a")), "named twice"),
        (Slice(columns=("a",), edges={"b": (1.0,)}), "not in `columns`"),
        (Slice(columns=("a",), edges={"a": (2.0, 1.0)}), "ascending"),
        (Slice(columns=("a",), edges={"a": ()}), "ascending"),
    ],
)
def test_contradictory_slices_are_refused(given, said):
    with pytest.raises(RootstockError, match=said):
        check_slices([given])
