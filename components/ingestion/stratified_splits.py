"""Hash splits that depend on all keys: stratified ones, in which every value of a column has the
same shares in every split, and the folds of a cross-validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

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
    """bounds: by value of the column, the fractions at which val and test begin. starts: by value,
    the fraction from which they are counted, around the circle; 0 when absent.

    column: None for one stratum of all rows.
    """

    column: str | None
    seed: int
    bounds: Mapping[str, tuple[float, float]]
    starts: Mapping[str, float] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return () if self.column is None else (self.column,)

    def indices(self, batch: pa.RecordBatch, key: Sequence[str]) -> np.ndarray:
        strata = strata_of(batch, key, self.column, self.seed)
        bounds = np.array([self.bounds[name] for name in strata.names])[strata.codes]
        starts = np.array([self.starts.get(name, 0.0) for name in strata.names])[strata.codes]
        from_start = (strata.fractions - starts) % 1.0
        return np.asarray(np.sum(from_start[:, None] >= bounds, axis=1))


def strata_of(batch: pa.RecordBatch, key: Sequence[str], column: str | None, seed: int) -> Strata:
    if column is None:
        codes = np.zeros(batch.num_rows, np.int32)
        return Strata((MISSING,), codes, key_fractions(batch, key, seed))
    values = pc.fill_null(texts(batch.column(column)), MISSING).dictionary_encode()
    return Strata(
        tuple(values.dictionary.to_pylist()),
        np.asarray(values.indices, np.int32),
        key_fractions(batch, key, seed),
    )


def stratified(splits: HashSplits, strata: Iterable[Strata]) -> StratifiedSplits:
    """The splits in which every stratum has the shares of `splits`, exact to one row; for a fold,
    exact to one key.

    Raises:
        RootstockError: rows with the same key are in different strata, or there are fewer keys than
            folds.
    """
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
    if splits.fold is None:
        bounds = {name: _bounds(f, splits) for name, f in sorted_.items()}
        return StratifiedSplits(splits.stratify, splits.seed, bounds)
    if len(keys) < splits.folds:
        raise RootstockError(
            f"data.splits: {len(keys)} different keys are too few for {splits.folds} folds."
            " Expected as many keys as folds. Give `test` a larger share."
        )
    of_fold = {name: _fold(np.unique(f), splits.fold, splits) for name, f in sorted_.items()}
    return StratifiedSplits(
        splits.stratify,
        splits.seed,
        {name: bounds for name, (_, bounds) in of_fold.items()},
        {name: start for name, (start, _) in of_fold.items()},
    )


def _fold(keys: np.ndarray, fold: int, splits: HashSplits) -> tuple[float, tuple[float, float]]:
    """Where one stratum's keys start, so that those of the fold are the last ones, and the bounds.

    keys: the distinct fractions, sorted.
    """
    count = len(keys)
    first, end = (round(i * count / splits.folds) for i in (fold, fold + 1))
    start = float(keys[end % count])
    from_start = np.sort((keys - start) % 1.0)
    test = count - (end - first)
    val = max(0, test - max(round(count * splits.val), int(splits.val > 0)))
    return start, tuple(float(from_start[i]) if i < count else 1.0 for i in (val, test))  # type: ignore[return-value]


def _bounds(fractions: np.ndarray, splits: HashSplits) -> tuple[float, float]:
    """The sorted fractions of one stratum at which val and test begin."""
    rows = len(fractions)
    test = rows - round(rows * splits.test)
    val = test - round(rows * splits.val)
    return tuple(float(fractions[i]) if i < rows else 1.0 for i in (val, test))  # type: ignore[return-value]
