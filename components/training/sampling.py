"""How often training reads the rows of each source, for tasks with labels from different sources.

A source is the set of rows that have labels of the same tasks: rows with labels of `cat` only, rows
with labels of `cat` and `dog`, and so on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from components.data.lazy import np
from components.errors import RootstockError
from models.config import STRICT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Order = Callable[[int], NDArray[np.int64]]

JOIN = "+"
"""Separates the names of tasks in the name of a source."""


@dataclass(frozen=True, kw_only=True)
class Sampling(ABC):
    """A sampling rule: a frozen dataclass with a literal `name`."""

    name: str

    @abstractmethod
    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """Relative number of rows that training reads from each source; they need not sum to 1.

        sizes: number of rows of each source.

        Raises:
            RootstockError: the rule does not fit the sources.
        """

    def narrowed(self, tasks: Collection[str]) -> Self:
        """The rule for some of the tasks. Sources that differ only in other tasks become one."""
        return self


@dataclass(frozen=True, kw_only=True)
class Proportional(Sampling):
    """Each epoch reads every row once."""

    __pydantic_config__ = STRICT
    name: Literal["proportional"] = "proportional"

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        return {source: float(rows) for source, rows in sizes.items()}


@dataclass(frozen=True, kw_only=True)
class Temperature(Sampling):
    """Shares in proportion to rows ** (1 / temperature) (Arivazhagan et al. 2019, arXiv:1907.05019,
    section 4.2): 1 is proportional, large values come close to equal shares.
    """

    __pydantic_config__ = STRICT
    name: Literal["temperature"] = "temperature"
    temperature: Annotated[float, Field(ge=1)] = 5.0

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        return {source: rows ** (1 / self.temperature) for source, rows in sizes.items()}


@dataclass(frozen=True, kw_only=True)
class RoundRobin(Sampling):
    """Each batch has rows of one source; sources take turns."""

    __pydantic_config__ = STRICT
    name: Literal["round_robin"] = "round_robin"

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        return dict.fromkeys(sizes, 1.0)


@dataclass(frozen=True, kw_only=True)
class Fixed(Sampling):
    """Shares from the spec, by source. A source is named by its tasks, joined by `+`."""

    __pydantic_config__ = STRICT
    name: Literal["fixed"] = "fixed"
    of: dict[str, Annotated[float, Field(gt=0)]] = field(default_factory=dict)

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        by_tasks = {tuple(sorted(name.split(JOIN))): share for name, share in self.of.items()}
        if len(by_tasks) < len(self.of):
            raise RootstockError(
                f"training.sampling.of names a source twice: {', '.join(sorted(self.of))}."
            )
        names = {tuple(sorted(name.split(JOIN))): name for name in sizes}
        if set(by_tasks) != set(names):
            raise RootstockError(
                "training.sampling.of: expected a share for each source:"
                f" {', '.join(sorted(sizes))}. Received: {', '.join(sorted(self.of)) or 'none'}."
            )
        return {names[tasks]: share for tasks, share in by_tasks.items()}

    def narrowed(self, tasks: Collection[str]) -> Self:
        shares: dict[str, float] = {}
        for source, share in self.of.items():
            if name := JOIN.join(part for part in source.split(JOIN) if part in tasks):
                shares[name] = shares.get(name, 0.0) + share
        return replace(self, of=shares)


AnySampling = Annotated[
    Proportional | Temperature | RoundRobin | Fixed, Field(discriminator="name")
]


def rows_by_source(present: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.int64]]:
    """Row indices of each source, ascending, without rows that have no label.

    present: by task, whether each row has the label.
    """
    bits = np.stack(list(present.values()), axis=1)
    patterns, which = np.unique(bits, axis=0, return_inverse=True)
    sources = [JOIN.join(compress(present, pattern)) for pattern in patterns]
    which = which.reshape(-1)
    return {source: np.flatnonzero(which == i) for i, source in enumerate(sources) if source}


def order_of(
    sampling: Sampling,
    groups: Mapping[str, NDArray[np.int64]],
    batch_size: int,
    seed: int,
    rows_per_epoch: int | None = None,
) -> Order:
    """A function from the index of an epoch to the indices of the rows that it reads, in order.

    Each source is read repeatedly, every time in a new order. An epoch continues where the one
    before it ended.

    rows_per_epoch: the number of all rows if None. The actual number may be slightly larger: each
        source has at least one row, and `round_robin` reads whole batches.

    Raises:
        RootstockError: the rule does not fit the sources.
    """
    shares = sampling.shares({name: len(rows) for name, rows in groups.items()})
    members = [groups[name] for name in shares]
    total = sum(len(rows) for rows in members) if rows_per_epoch is None else rows_per_epoch
    if isinstance(sampling, RoundRobin):
        turns = max(round(total / batch_size / len(members)), 1)
        counts = [turns * batch_size] * len(members)
    else:
        counts = [max(n, 1) for n in _apportioned(total, list(shares.values()))]

    def order(epoch: int) -> NDArray[np.int64]:
        parts = [
            rows[_positions(len(rows), epoch * n, n, (seed, i))]
            for i, (rows, n) in enumerate(zip(members, counts, strict=True))
        ]
        if isinstance(sampling, RoundRobin):
            return np.stack([p.reshape(-1, batch_size) for p in parts], axis=1).reshape(-1)
        mixed: NDArray[np.int64] = np.concatenate(parts)
        return mixed[np.random.default_rng((seed, epoch)).permutation(len(mixed))]

    return order


def _apportioned(total: int, shares: Sequence[float]) -> list[int]:
    """Divide `total` in proportion to shares, by largest remainders."""
    exact = total * np.array(shares) / sum(shares)
    counts = np.floor(exact).astype(np.int64)
    rest = total - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return [int(n) for n in counts]


def _positions(size: int, start: int, length: int, seed: tuple[int, int]) -> NDArray[np.int64]:
    """`length` members, from `start`, of an endless sequence of permutations of range(size)."""
    passes, skip = range(start // size, -(-(start + length) // size)), start % size
    orders = [np.random.default_rng((*seed, k)).permutation(size) for k in passes]
    return np.concatenate([np.empty(0, np.int64), *orders])[skip : skip + length]
