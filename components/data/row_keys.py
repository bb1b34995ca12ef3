"""Splits by a hash of each row's key: a row stays in its split when the data grows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from components.data.lazy import np, pa, pc


def split_indices(
    batch: pa.RecordBatch, key: Sequence[str], shares: Sequence[float], seed: int = 0
) -> np.ndarray:
    """The index of each row's split, among splits with these shares: int64 [rows].

    The first 8 bytes of BLAKE2b over the key's values, as a fraction of 2^64, are compared with the
    cumulative shares. Rows with equal keys share a split, whatever their sources' column types.
    """
    bounds = np.cumsum(np.asarray(shares, np.float64) / sum(shares))[:-1]
    return np.searchsorted(bounds, key_fractions(batch, key, seed), side="right")


def key_fractions(batch: pa.RecordBatch, key: Sequence[str], seed: int = 0) -> np.ndarray:
    """The hash of each row's key and the seed, as a fraction: float64 [rows] in [0, 1)."""
    salt = seed.to_bytes(hashlib.blake2b.SALT_SIZE, "little")
    digests = b"".join(
        hashlib.blake2b(k, digest_size=8, salt=salt).digest() for k in key_bytes(batch, key)
    )
    return np.frombuffer(digests, ">u8").astype(np.float64) / 2.0**64


def key_bytes(batch: pa.RecordBatch, key: Sequence[str]) -> list[bytes]:
    """One byte string per row: each value after its length, so that different rows differ."""
    parts = [part for name in key for part in _parts(batch.column(name))]
    joined = pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.binary()))
    return joined.to_pylist()  # type: ignore[no-any-return]


def group_codes(rows: pa.Table, key: Sequence[str]) -> np.ndarray:
    """int64 [rows]: the group of each row, numbered in the order of their first rows. Rows with
    equal values in the columns of the key are a group; without a key every row is one.
    """
    if not key:
        return np.arange(len(rows))
    batches = rows.select(list(key)).combine_chunks().to_batches()
    numbers: dict[bytes, int] = {}
    keys = (k for batch in batches for k in key_bytes(batch, key))
    return np.array([numbers.setdefault(k, len(numbers)) for k in keys], np.int64)


def _parts(column: pa.Array) -> tuple[pa.Array | pa.Scalar, ...]:
    """Length, colon and value of each row, as bytes; a null is "-"."""
    values = _as_bytes(column)
    lengths = pc.binary_length(values).cast(pa.string()).cast(pa.binary())
    if not values.null_count:
        return lengths, pa.scalar(b":", pa.binary()), values
    colon = pc.if_else(values.is_valid(), pa.scalar(b":", pa.binary()), pa.scalar(b"", pa.binary()))
    return pc.fill_null(lengths, b"-"), colon, pc.fill_null(values, b"")


def _as_bytes(column: pa.Array) -> pa.Array:
    if pa.types.is_floating(column.type):
        whole = pc.and_(pc.equal(column, pc.trunc(column)), pc.less(pc.abs(column), 2.0**53))
        texts = column.cast(pa.string())
        if whole.true_count:
            integers = pc.if_else(whole, column, None).cast(pa.int64()).cast(pa.string())
            texts = pc.coalesce(integers, texts)
        column = texts
    elif pa.types.is_list(column.type):
        values = [None if v is None else json.dumps(v, default=str) for v in column.to_pylist()]
        column = pa.array(values, pa.string())
    elif not pa.types.is_binary(column.type):
        column = column.cast(pa.string())
    return column.cast(pa.binary())
