"""Finds exact and near duplicates: signatures of rows, and groups of rows by signature."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from components.data.casting import texts
from components.data.images import pixels
from components.data.row_keys import key_bytes

PERMUTATIONS = 64
BANDS = 16
"""Number of bands, each of 4 minima. Texts are compared if one band is equal: with probability 0.64
if they share half of their shingles, 0.9998 if they share four fifths (1 - (1 - s^4)^16).
"""
SHINGLE_WORDS = 3
DIFFERENT_BITS = 5
"""Largest number of different bits, of 64, in the difference hashes of near-duplicate images."""
WINDOW = 64
"""Largest number of rows with an equal band that a row is compared with."""
_RNG = np.random.default_rng(7)
_FACTORS = _RNG.integers(0, 1 << 64, PERMUTATIONS, np.uint64) | np.uint64(1)
_SHIFTS = _RNG.integers(0, 1 << 64, PERMUTATIONS, np.uint64)
"""Multiply-shift hashing (M. Dietzfelbinger et al., 1997), modulo 2^64."""


@dataclass(frozen=True)
class Signatures:
    """Signatures of rows.

    exact: uint64 [rows], equal for equal values.
    near: uint32 [rows, 64] for texts, uint64 [rows, 1] for images; None without near duplicates.
    blank: bool [rows], rows without any value, which are not duplicates of each other.
    """

    exact: np.ndarray
    near: np.ndarray | None
    blank: np.ndarray


def row_signatures(batch: pa.RecordBatch, columns: Sequence[str], near: bool) -> Signatures:
    """Exact signatures by all `columns`, near ones by the first of them."""
    first = batch.column(columns[0])
    image = pa.types.is_binary(first.type)
    similar = (image_signature(first) if image else text_signature(first)) if near else None
    return Signatures(exact_signature(batch, columns), similar, _blank(batch, columns))


def concatenate(parts: Sequence[Signatures]) -> Signatures:
    """The signatures of several shards, in order."""
    near = [p.near for p in parts if p.near is not None]
    return Signatures(
        np.concatenate([p.exact for p in parts]),
        np.concatenate(near) if near else None,
        np.concatenate([p.blank for p in parts]),
    )


def exact_signature(batch: pa.RecordBatch, columns: Sequence[str]) -> np.ndarray:
    """BLAKE2b of the values, ignoring case and white space of texts: uint64 [rows]."""
    normalized = []
    for name in columns:
        column = batch.column(name)
        if pa.types.is_string(column.type):
            values = [None if t is None else _normalized(t) for t in column.to_pylist()]
            column = pa.array(values, pa.string())
        normalized.append(column)
    rows = pa.RecordBatch.from_arrays(normalized, list(columns))
    digests = (hashlib.blake2b(k, digest_size=8).digest() for k in key_bytes(rows, columns))
    return np.frombuffer(b"".join(digests), "<u8")


def text_signature(column: pa.Array) -> np.ndarray:
    """MinHash of the 3-word shingles (A. Broder, "On the resemblance and containment of documents",
    1997): uint32 [rows, 64]. The share of equal entries estimates the Jaccard similarity.
    """
    minima = np.empty((len(column), PERMUTATIONS), np.uint32)
    for row, text in enumerate(texts(column).to_pylist()):
        hashes = _shingles(_normalized(text or ""))
        minima[row] = ((hashes[:, None] * _FACTORS + _SHIFTS) >> np.uint64(32)).min(axis=0)
    return minima


def image_signature(column: pa.Array) -> np.ndarray:
    """Difference hash: whether each of 8 x 8 patches is darker than the one to its right
    (N. Krawetz, "Kind of Like That", 2013): uint64 [rows, 1].
    """
    hashes = np.zeros((len(column), 1), np.uint64)
    for row, encoded in enumerate(column.to_pylist()):
        if encoded is not None:
            try:
                small = np.asarray(pixels(encoded, grey=True).resize((9, 8)), np.int16)
            except (OSError, SyntaxError, ValueError):
                continue  # Transform will name it
            bits = np.packbits(small[:, 1:] > small[:, :-1])
            hashes[row] = np.frombuffer(bits.tobytes(), ">u8")[0]
    return hashes


def duplicate_groups(signatures: Signatures, similarity: float) -> np.ndarray:
    """For each row, the first row of its group of duplicates: int64 [rows].

    Duplicates of duplicates belong to the same group.

    similarity: smallest share of equal minima or bits of near duplicates.
    """
    rows = np.flatnonzero(~signatures.blank)
    found = [rows[_equal_pairs(signatures.exact[rows], 1)]]
    if signatures.near is not None:
        texts = signatures.near.shape[1] > 1
        # Rows without content are left out: an empty text, or an image of one colour.
        empty = text_signature(pa.array([""]))[0] if texts else np.zeros(1, np.uint64)
        rows = rows[(signatures.near[rows] != empty).any(axis=1)]
        near = signatures.near[rows]
        for band in range(BANDS if texts else DIFFERENT_BITS + 1):
            values = _text_band(near, band) if texts else _image_band(near, band)
            pairs = _equal_pairs(values, WINDOW)
            found.append(rows[pairs[_similar(near, pairs, similarity)]])
    a, b = np.concatenate(found).T
    size = len(signatures.exact)
    edges = sparse.coo_array((np.ones(len(a), bool), (a, b)), shape=(size, size))
    group = sparse.csgraph.connected_components(edges, directed=False)[1]
    return np.asarray(np.unique(group, return_index=True)[1][group], np.int64)


def _equal_pairs(values: np.ndarray, window: int) -> np.ndarray:
    """Pairs of rows with equal values, each row with up to `window` before it: int64 [pairs, 2]."""
    order = np.argsort(values, kind="stable")
    in_order = values[order]
    pairs = [np.empty((0, 2), np.int64)]
    for step in range(1, window + 1):
        equal = in_order[step:] == in_order[:-step]
        if not equal.any():
            break
        pairs.append(np.stack([order[:-step][equal], order[step:][equal]], axis=1))
    return np.concatenate(pairs)


def _text_band(near: np.ndarray, band: int) -> np.ndarray:
    """The 4 minima of a band as one number: uint64 [rows]."""
    width = PERMUTATIONS // BANDS
    part = np.ascontiguousarray(near[:, band * width : (band + 1) * width]).view(np.uint64)
    return np.asarray(part[:, 0] * np.uint64(0x9E3779B97F4A7C15) + part[:, 1])


def _image_band(near: np.ndarray, band: int) -> np.ndarray:
    """One of 6 parts of the 64 bits. Hashes with at most 5 different bits agree in one part."""
    bounds = np.linspace(0, 64, DIFFERENT_BITS + 2).astype(int)
    mask = (1 << int(bounds[band + 1])) - (1 << int(bounds[band]))
    return np.asarray(near[:, 0] & np.uint64(mask))


def _similar(near: np.ndarray, pairs: np.ndarray, similarity: float) -> np.ndarray:
    """Whether the rows of each pair are similar enough: bool [pairs]."""
    a, b = near[pairs[:, 0]], near[pairs[:, 1]]
    if near.shape[1] > 1:
        return np.asarray((a == b).mean(axis=1) >= similarity)
    most = min(DIFFERENT_BITS, int((1 - similarity) * 64))
    return np.asarray(np.bitwise_count(a ^ b)[:, 0] <= most)


def _blank(batch: pa.RecordBatch, columns: Sequence[str]) -> np.ndarray:
    blank = np.ones(batch.num_rows, bool)
    for name in columns:
        column = batch.column(name)
        if pa.types.is_string(column.type):
            column = pc.utf8_trim_whitespace(column)
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            column = pc.if_else(pc.equal(pc.binary_length(column), 0), None, column)
        blank &= np.asarray(column.is_null())
    return blank


def _normalized(text: str) -> str:
    return " ".join(text.lower().split())


def _shingles(text: str) -> np.ndarray:
    """64-bit hashes of all runs of 3 words; of the whole text if it is shorter."""
    words = text.split(" ")
    runs = {" ".join(words[i : i + SHINGLE_WORDS]) for i in range(len(words) - SHINGLE_WORDS + 1)}
    digests = (hashlib.blake2b(r.encode(), digest_size=8).digest() for r in runs or {text})
    return np.frombuffer(b"".join(digests), "<u8")
