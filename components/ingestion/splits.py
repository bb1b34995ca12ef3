"""Assigns rows to splits: by the hash of their key, by a column, or by time."""

from __future__ import annotations

import datetime
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from components.artifacts import SPLITS, UNLABELLED
from components.data.casting import texts
from components.data.lazy import np, pa, pc
from components.data.row_keys import split_indices
from components.errors import RootstockError
from models.config import STRICT

Split = Literal["train", "val", "test"]
SplitShare = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Splitting(ABC):
    """A rule that assigns rows to splits. It depends neither on their order nor on their files."""

    __pydantic_config__ = STRICT

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns that the rule reads, besides the key."""

    @abstractmethod
    def indices(self, batch: pa.RecordBatch, key: Sequence[str]) -> np.ndarray:
        """The index in `SPLITS` of each row's split: int64 [rows].

        Raises:
            RootstockError: a row belongs to no split.
        """

    def without(self, fixed: set[str]) -> Splitting:
        """The rule for the other rows, when whole sources are assigned to the splits `fixed`."""
        return self


@dataclass(frozen=True, kw_only=True)
class HashSplits(Splitting):
    """Random splits with fixed shares, decided by the hash of each row's key.

    Rows with equal keys are never in different splits, and a row keeps its split when data is
    added.

    train, val, test: the share of examples in each split; together 1.
    stratify: a column whose values have the same shares in every split. With it, a row can change
        its split when data is added.
    seed: another seed gives another assignment.
    fold: for cross-validation, the number of a fold, from 0. The share of test decides how many
        there are (0.2: five). Folds have equally many keys, and each key is in the test split of
        one fold.
    """

    by: Literal["hash"] = "hash"
    train: Annotated[float, Field(gt=0, le=1)] = 0.8
    val: SplitShare = 0.1
    test: SplitShare = 0.1
    stratify: str | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    fold: Annotated[int, Field(ge=0)] | None = None

    def __post_init__(self) -> None:
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(
                "expected train, val and test that add up to 1, received"
                f" {self.train:g} + {self.val:g} + {self.test:g} = {total:g}. Those that you leave"
                " out are 0.8, 0.1 and 0.1."
            )
        if self.fold is not None and not self.fold < self.folds:
            raise ValueError(
                f"expected a fold below {self.folds}, because test is {self.test:g}, received"
                f" {self.fold}"
            )

    @property
    def folds(self) -> int:
        """How many folds there are with this share of test rows; 0 without test rows."""
        return round(1 / self.test) if self.test else 0

    @property
    def needs_all_keys(self) -> bool:
        """Whether the split of a row depends on other rows."""
        return self.stratify is not None or self.fold is not None

    @property
    def columns(self) -> tuple[str, ...]:
        return () if self.stratify is None else (self.stratify,)

    @property
    def shares(self) -> tuple[float, float, float]:
        """The shares, in the order of `SPLITS`."""
        return self.train, self.val, self.test

    def without(self, fixed: set[str]) -> HashSplits:
        """No other rows are assigned to a val or test split that has its own sources.

        Raises:
            RootstockError: folds need all rows.
        """
        if self.fold is not None and fixed - {UNLABELLED}:
            raise RootstockError(
                "data.splits.fold: expected no source with its own `split`, because folds are made"
                " of all rows."
            )
        val = 0.0 if "val" in fixed else self.val
        test = 0.0 if "test" in fixed else self.test
        total = self.train + val + test
        return replace(self, train=self.train / total, val=val / total, test=test / total)

    def indices(self, batch: pa.RecordBatch, key: Sequence[str]) -> np.ndarray:
        return split_indices(batch, key, self.shares, self.seed)


@dataclass(frozen=True, kw_only=True)
class ColumnSplits(Splitting):
    """The value of a column decides.

    values: the split of each value of the column; by default the values are the names of the
    splits.
    """

    by: Literal["column"] = "column"
    column: str
    values: Mapping[str, Split] = field(
        default_factory=lambda: {"train": "train", "val": "val", "test": "test"}
    )

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def indices(self, batch: pa.RecordBatch, key: Sequence[str]) -> np.ndarray:
        column = texts(batch.column(self.column))
        indices = pc.index_in(column, pa.array(list(self.values), pa.string()))
        if indices.null_count:
            unknown = column.filter(indices.is_null())[0].as_py()
            raise RootstockError(
                f"data.splits: column {self.column!r} has the value {unknown!r}. Expected one of"
                f" {', '.join(map(repr, self.values))}. Assign other values under `values`."
            )
        splits = np.array([SPLITS.index(split) for split in self.values.values()])
        return np.asarray(splits[np.asarray(indices)])


def _iso(value: Any) -> Any:
    """Dates as ISO 8601 text: YAML reads 2024-01-31 as a date."""
    return value.isoformat() if isinstance(value, datetime.date) else value


_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
"""A date before a time. ISO 8601 has a T between them; Arrow's timestamps as text have a space."""
Moment = Annotated[str | int | float, BeforeValidator(_iso)]


@dataclass(frozen=True, kw_only=True)
class TimeSplits(Splitting):
    """Rows before `val` are for training, rows from `val` to `test` for validation, the rest for
    testing.

    column: the time of a row, as ISO 8601 text or a number. val, test: the first time of each
    split; without it there is no such split.
    """

    by: Literal["time"] = "time"
    column: str
    val: Moment | None = None
    test: Moment | None = None

    def __post_init__(self) -> None:
        if self.val is None and self.test is None:
            raise ValueError("expected `val`, `test` or both: the time at which each split starts")
        if self.val is not None and self.test is not None and not _before(self.val, self.test):
            raise ValueError(f"expected val before test, received {self.val!r} and {self.test!r}")

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    def indices(self, batch: pa.RecordBatch, key: Sequence[str]) -> np.ndarray:
        times = batch.column(self.column)
        if times.null_count:
            raise RootstockError(
                f"data.splits: column {self.column!r} is missing in {times.null_count} rows."
                " Expected a time in every row."
            )
        indices = np.zeros(len(times), np.int64)
        for split, moment in ((1, self.val), (2, self.test)):
            if moment is not None:
                indices[np.asarray(self._from(times, moment))] = split
        return indices

    def _from(self, times: pa.Array, moment: str | int | float) -> pa.Array:
        """Whether each time is at or after a moment."""
        if pa.types.is_string(times.type) != isinstance(moment, str):
            raise RootstockError(
                f"data.splits: column {self.column!r} has {times.type} values, which cannot be"
                f" compared with {moment!r}. Expected both to be numbers, or both ISO 8601 text."
            )
        if isinstance(moment, str):
            times = pc.replace_substring_regex(times, f"^({_DAY}) ", r"\1T")
            moment = re.sub(f"^({_DAY}) ", r"\1T", moment)
        return pc.greater_equal(times, moment)


def _before(a: str | float, b: str | float) -> bool:
    if isinstance(a, str) and isinstance(b, str):
        return a < b
    return not isinstance(a, str) and not isinstance(b, str) and a < b


def _hash_by_default(value: Any) -> Any:
    """A mapping without `by` means hash splits."""
    return {"by": "hash", **value} if isinstance(value, dict) else value


if TYPE_CHECKING:
    Splits = Splitting
else:
    Splits = Annotated[
        HashSplits | ColumnSplits | TimeSplits,
        Field(discriminator="by"),
        BeforeValidator(_hash_by_default),
    ]
