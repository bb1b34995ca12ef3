"""How often training reads rows of each source, where tasks come from different ones.

A source is told by the tasks whose labels its rows carry: rows with labels of `cat` alone, rows
with labels of `cat` and `dog`, and so on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field

from components.data.arrow import np
from components.errors import RootstockError
from models.config import STRICT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Order = Callable[[int], NDArray[np.int64]]

JOIN = "+"
"""Between the names of tasks in the name of a source."""


@dataclass(frozen=True, kw_only=True)
class Sampling(ABC):
    """A rule: a frozen dataclass with a literal `name`."""

    name: str

    @abstractmethod
    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """Of the rows that training reads, by source; to any scale.

        sizes: rows of each source.

        Raises:
            RootstockError: the rule does not fit the sources.
        """

    def narrowed(self, tasks: Collection[str]) -> Self:
        """The rule for some of the tasks: sources that differ in others alone become one."""
        return self


@dataclass(frozen=True, kw_only=True)
class Proportional(Sampling):
    """Every row once in an epoch."""

    __pydantic_config__ = STRICT
    name: Literal["proportional"] = "proportional"

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """See `Sampling.shares`."""
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
        """See `Sampling.shares`."""
        return {source: rows ** (1 / self.temperature) for source, rows in sizes.items()}


@dataclass(frozen=True, kw_only=True)
class RoundRobin(Sampling):
    """Each batch from one source, in turns."""

    __pydantic_config__ = STRICT
    name: Literal["round_robin"] = "round_robin"

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """See `Sampling.shares`."""
        return dict.fromkeys(sizes, 1.0)


@dataclass(frozen=True, kw_only=True)
class Fixed(Sampling):
    """Shares given by hand, by source: the names of the tasks it has labels of, joined by `+`."""

    __pydantic_config__ = STRICT
    name: Literal["fixed"] = "fixed"
    of: dict[str, Annotated[float, Field(gt=0)]] = field(default_factory=dict)

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """See `Sampling.shares`."""
        if len({JOIN.join(sorted(name.split(JOIN))) for name in self.of}) < len(self.of):
            raise RootstockError(
                f"training.sampling.of names a source twice: {', '.join(sorted(self.of))}."
            )
        asked = {JOIN.join(sorted(name.split(JOIN))): share for name, share in self.of.items()}
        known = {JOIN.join(sorted(name.split(JOIN))): name for name in sizes}
        if set(asked) != set(known):
            raise RootstockError(
                "training.sampling.of: expected a share for each source:"
                f" {', '.join(sorted(sizes))}. Received: {', '.join(sorted(self.of)) or 'none'}."
            )
        return {known[key]: share for key, share in asked.items()}

    def narrowed(self, tasks: Collection[str]) -> Self:
        """See `Sampling.narrowed`."""
        left: dict[str, float] = {}
        for source, share in self.of.items():
            if name := JOIN.join(part for part in source.split(JOIN) if part in tasks):
                left[name] = left.get(name, 0.0) + share
        return replace(self, of=left)


AnySampling = Annotated[
    Proportional | Temperature | RoundRobin | Fixed, Field(discriminator="name")
]


def sources(present: Mapping[str, NDArray[np.bool_]]) -> dict[str, NDArray[np.int64]]:
    """Rows of each source, ascending; rows without any label are left out.

    present: whether each row carries the label, by task.
    """
    names = list(present)
    bits = np.stack([present[name] for name in names], axis=1)
    patterns, which = np.unique(bits, axis=0, return_inverse=True)
    found = {}
    for i, pattern in enumerate(patterns):
        source = JOIN.join(name for name, there in zip(names, pattern, strict=True) if there)
        if source:
            found[source] = np.flatnonzero(which.reshape(-1) == i)
    return found


def order_of(
    sampling: Sampling,
    groups: Mapping[str, NDArray[np.int64]],
    batch_size: int,
    seed: int,
    wanted: int | None = None,
) -> Order:
    """A function from an epoch's index to the rows that it reads, in order.

    An epoch has as many rows as are wanted, or as there are in all, or nearly: whole batches of
    each source in turns have more, and no source has none. A source is gone through again and again
    in new orders, from where the epoch before left it.

    Raises:
        RootstockError: the rule does not fit the sources.
    """
    shares = sampling.shares({name: len(rows) for name, rows in groups.items()})
    members = [groups[name] for name in shares]
    total = sum(len(rows) for rows in members) if wanted is None else wanted
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
    """`total` in proportion to shares, by largest remainders."""
    exact = total * np.array(shares) / sum(shares)
    counts = np.floor(exact).astype(np.int64)
    rest = total - counts.sum()
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    return [int(n) for n in counts]


def _positions(size: int, start: int, length: int, seed: tuple[int, int]) -> NDArray[np.int64]:
    """`length` members, from `start`, of an endless row of permutations of range(size)."""
    found: list[NDArray[np.int64]] = []
    skip, missing = start % size, length
    for k in count(start // size):
        if missing <= 0:
            break
        found.append(np.random.default_rng((*seed, k)).permutation(size)[skip : skip + missing])
        missing -= len(found[-1])
        skip = 0
    return np.concatenate(found) if found else np.empty(0, np.int64)
