"""Stratified hash splits: every value of a column has the same shares in every split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.data.casting import texts
from components.data.lazy import np, pa, pc
from components.data.row_keys import key_fractions
from components.errors import RootstockError
from components.ingestion.splits import HashSplits, Splitting

MISSING = ""
"""The stratum of rows without a value."""


@dataclass(frozen=True)
class Strata:
    """The strata of some rows.

    names: of the strata. codes: int32 [rows], index of each row's stratum. fractions: [rows], hash
    of each row's key as a fraction.
    """

    names: tuple[str, ...]
    codes: np.ndarray
    fractions: np.ndarray


@dataclass(frozen=True)
class StratifiedSplits(Splitting):
    """bounds: by value of the column, the fractions at which val and test begin."""

    column: str
    seed: int
    bounds: Mapping[str, tuple[float, float]]

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def indices(self, batch: pa.RecordBatch, key: Sequence[str]) -> np.ndarray:
        strata = strata_of(batch, key, self.column, self.seed)
        bounds = np.array([self.bounds[name] for name in strata.names])[strata.codes]
        return np.asarray(np.sum(strata.fractions[:, None] >= bounds, axis=1))


def strata_of(batch: pa.RecordBatch, key: Sequence[str], column: str, seed: int) -> Strata:
    values = pc.fill_null(texts(batch.column(column)), MISSING).dictionary_encode()
    return Strata(
        tuple(values.dictionary.to_pylist()),
        np.asarray(values.indices, np.int32),
        key_fractions(batch, key, seed),
    )


def stratified(splits: HashSplits, strata: Iterable[Strata]) -> StratifiedSplits:
    """The splits in which every stratum has the shares of `splits`, exact to one row.

    Raises:
        RootstockError: rows with the same key are in different strata.
    """
    assert splits.stratify is not None
    by_name: dict[str, list[np.ndarray]] = {}
    for part in strata:
        for code, name in enumerate(part.names):
            by_name.setdefault(name, []).append(part.fractions[part.codes == code])
    if not by_name:  # no rows to assign: every source has its own split
        return StratifiedSplits(splits.stratify, splits.seed, {})
    sorted_ = {name: np.sort(np.concatenate(parts)) for name, parts in sorted(by_name.items())}
    keys = np.concatenate([np.unique(fractions) for fractions in sorted_.values()])
    if len(np.unique(keys)) < len(keys):
        raise RootstockError(
            f"data.splits: rows with the same key have different values in {splits.stratify!r}."
            " Expected one value per key, because rows with the same key stay together. Remove"
            " `stratify`, or choose another `data.key`."
        )
    return StratifiedSplits(
        splits.stratify, splits.seed, {name: _bounds(f, splits) for name, f in sorted_.items()}
    )


def _bounds(fractions: np.ndarray, splits: HashSplits) -> tuple[float, float]:
    """The sorted fractions of one stratum at which val and test begin."""
    rows = len(fractions)
    test = rows - round(rows * splits.test)
    val = test - round(rows * splits.val)
    return tuple(float(fractions[i]) if i < rows else 1.0 for i in (val, test))  # type: ignore[return-value]
