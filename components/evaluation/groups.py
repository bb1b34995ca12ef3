"""Groups: rows that are not independent, such as the visits of one patient.

Rows with equal values in the columns of `data.key` are a group. They are in the same split, and
statistics draw and count groups, not rows: a thousand visits of eight patients tell no more about
the next patient than eight patients do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.data.lazy import Floats, Mask, np, pa
from components.data.row_keys import key_bytes

FEW_GROUPS = 20
"""With fewer groups than this, intervals and tests are unreliable, and a warning says so."""


@dataclass(frozen=True, eq=False)
class Groups:
    """The group of each row.

    codes: int64 [rows], from 0 to `count` - 1, numbered in the order of the first row of each
        group, so that row i is group i if every row is a group of its own.
    """

    codes: np.ndarray
    count: int

    @classmethod
    def of_rows(cls, rows: int) -> Groups:
        """Every row is a group of its own."""
        return cls(np.arange(rows), rows)

    @classmethod
    def by(cls, ids: Sequence[object] | np.ndarray) -> Groups:
        """Rows with equal ids are a group."""
        first: dict[object, int] = {}
        codes = [first.setdefault(i, len(first)) for i in ids]
        return cls(np.asarray(codes, np.int64), len(first))

    @classmethod
    def by_key(cls, rows: pa.Table, key: Sequence[str]) -> Groups:
        """Rows with equal values in the columns of the key are a group, as in the splits. Without a
        key every row is one. Rows without a value are a group too: they share a split.
        """
        if not key:
            return cls.of_rows(len(rows))
        batches = rows.select(list(key)).combine_chunks().to_batches()
        return cls.by([k for batch in batches for k in key_bytes(batch, key)])

    @property
    def single(self) -> bool:
        """Whether every row is a group of its own."""
        return self.count == len(self.codes)

    def on(self, rows: Mask) -> Groups:
        """The groups of some of the rows; those without any of these rows are dropped."""
        _, first, codes = np.unique(self.codes[rows], return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return Groups(rank[codes], len(first))

    def holding(self, rows: Mask) -> int:
        """The number of groups that have at least one of these rows."""
        return len(np.unique(self.codes[rows]))

    def totals(self, values: Floats) -> Floats:
        """[groups] sums of the rows' values [rows]."""
        return np.bincount(self.codes, values, self.count).astype(np.float64)

    def spread(self, draws: Floats) -> Floats:
        """[..., rows]: what was drawn for a row's group. draws: [..., groups]."""
        return draws if self.single else draws[..., self.codes]
