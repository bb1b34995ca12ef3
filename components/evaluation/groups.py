"""Groups: rows that are not independent, such as the visits of one patient.

Rows with equal values in the columns of `data.key` are a group. They are in the same split, and
statistics draw and count groups, not rows: a thousand visits of eight patients tell no more about
the next patient than eight patients do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.data.lazy import Floats, Mask, np, pa
from components.data.row_keys import group_codes

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
        codes = group_codes(rows, key)
        return cls(codes, int(codes.max(initial=-1)) + 1)

    @property
    def single(self) -> bool:
        """Whether every row is a group of its own."""
        return self.count == len(self.codes)

    def on(self, rows: Mask) -> Groups:
        """The groups of some of the rows; those without any of these rows are dropped."""
        if self.single:
            return Groups.of_rows(int(np.count_nonzero(rows)))
        _, first, codes = np.unique(self.codes[rows], return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first)] = np.arange(len(first))
        return Groups(rank[codes], len(first))

    def holding(self, rows: Mask) -> int:
        """The number of groups that have at least one of these rows."""
        return int(np.count_nonzero(np.bincount(self.codes[rows])))

    def totals(self, values: Floats) -> Floats:
        """[groups] sums of the rows' values [rows]."""
        return np.bincount(self.codes, values, self.count).astype(np.float64)

    def spread(self, draws: Floats) -> Floats:
        """[..., rows]: what was drawn for a row's group. draws: [..., groups]."""
        return draws if self.single else draws[..., self.codes]

    def effective(self, sizes: Floats) -> float:
        """How many groups of equal size tell as much as these: L. Kish, Survey Sampling (1965).

        sizes: [rows], not negative: what each row counts. It is the number of rows if they all
        count the same and each is a group, and 1 if one group has nearly all rows.
        """
        totals = self.totals(sizes)
        squares = float((totals**2).sum())
        return float(totals.sum()) ** 2 / squares if squares else 0.0

    def spread_of(self, deviations: Floats, sizes: Floats) -> Floats:
        """[groups]: by group, how far the rows' mean moves without it, times the size of all rows.
        Its squares add up to the jackknife's variance, which holds with few groups of unequal size
        better than plain sums: J. MacKinnon, M. Nielsen and M. Webb, Fast and reliable jackknife
        and bootstrap methods for cluster-robust inference (J. Appl. Econometrics 38, 2023).

        deviations: [rows] of a mean of 0, for one unit of size. sizes: [rows], what each counts.
        """
        totals, sums = self.totals(sizes), self.totals(sizes * deviations)
        held = int((totals > 0).sum())
        rest = np.maximum(1 - totals / max(totals.sum(), 1e-300), 1e-9)
        return np.asarray(sums / rest * ((held - 1) / max(held, 1)) ** 0.5)

    def inflation(self, deviations: Floats, sizes: Floats, naive: float | None = None) -> float:
        """The design effect of Kish: how many times the variance of a mean is that of independent
        rows. From 1, to the size of the group of a random row, as if all rows of a group were
        equal; that is also the answer if nothing deviates.

        deviations, sizes: as for `spread_of`; sizes have a mean of about 1. naive: the variance of
        the sum for independent rows.
        """
        totals = self.totals(sizes)
        most = max(float((totals**2).sum() / max(totals.sum(), 1e-300)), 1.0)
        if naive is None:
            naive = float((sizes * deviations**2).sum())
        if naive <= 0:
            return most
        grouped = float((self.spread_of(deviations, sizes) ** 2).sum())
        if self.single:  # a factor of n / (n - 1) apart, which closed forms for rows leave out
            grouped = float((self.totals(sizes * deviations) ** 2).sum())
        return float(np.clip(grouped / naive, 1.0, most))
