from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pytest

from components.data.row_keys import key_bytes, split_indices


def batch(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_key_is_length_and_value() -> None:
    rows = batch(a=pa.array(["x", None, ""]), b=pa.array([10, 2, None]))
    assert key_bytes(rows, ["a", "b"]) == [b"1:x2:10", b"-1:2", b"0:-"]


def test_equal_numbers_of_different_types_have_the_same_key() -> None:
    whole = key_bytes(batch(a=pa.array([1, 1_000_000_000_000_000])), ["a"])
    assert key_bytes(batch(a=pa.array([1.0, 1e15])), ["a"]) == whole
    assert key_bytes(batch(a=pa.array(["1", "1000000000000000"])), ["a"]) == whole


def test_every_type_of_example_has_a_key() -> None:
    rows = batch(
        b=pa.array([b"\xff", None]),
        f=pa.array([0.5, float("nan")], pa.float32()),
        t=pa.array([True, None]),
        s=pa.array([["a", "b"], None]),
    )
    first, second = key_bytes(rows, ["b", "f", "t", "s"])
    assert first == b'1:\xff3:0.54:true10:["a", "b"]'
    assert second == b"-3:nan--"


def test_split_is_blake2b_against_cumulative_shares() -> None:
    values = [f"row {i}" for i in range(1000)]
    chosen = split_indices(batch(a=pa.array(values)), ["a"], (0.5, 0.25, 0.25))
    for value, split in zip(values[:50], chosen[:50], strict=True):
        digest = hashlib.blake2b(f"{len(value)}:{value}".encode(), digest_size=8).digest()
        fraction = int.from_bytes(digest, "big") / 2**64
        assert split == (0 if fraction < 0.5 else 1 if fraction < 0.75 else 2)
    assert np.allclose(np.bincount(chosen) / 1000, (0.5, 0.25, 0.25), atol=0.05)


def test_a_split_with_share_zero_gets_no_rows() -> None:
    rows = batch(a=pa.array([str(i) for i in range(500)]))
    assert set(split_indices(rows, ["a"], (0.9, 0.0, 0.1))) == {0, 2}
    assert set(split_indices(rows, ["a"], (1.0, 0.0, 0.0))) == {0}


def test_another_seed_is_another_split_of_the_same_shares() -> None:
    rows = batch(a=pa.array([f"row {i}" for i in range(4000)]))
    first, same, other = (
        split_indices(rows, ["a"], (0.7, 0.1, 0.2), *seed) for seed in ((), (0,), (1,))
    )
    assert first.tolist() == same.tolist()
    both = np.mean((first == 2) & (other == 2))
    assert both == pytest.approx(0.2 * 0.2, abs=0.015)
    assert np.mean(other == 0) == pytest.approx(0.7, abs=0.03)
