"""How a kind of expert is fitted. Each kind is a class in `components/experts/<kind>.py`.

No row's label may reach its own margin: margins of training rows come from models that were fitted
without the row's fold, and whatever is chosen (rounds of boosting, strength of a penalty) is chosen
without that fold too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from components.data.lazy import np
from components.labels.base import Objective
from models.experts.base import Expert
from models.inputs.base import Feature

Report = Callable[[str], None]
"""Takes a sentence about progress, such as "trees: fold 2 of 5"."""


@dataclass(frozen=True, kw_only=True)
class FitRows:
    """The training rows that experts learn from; arrays have one entry per row.

    raw, preprocessed, representation, blocks: see `models.experts.base.ExpertInputs`; texts are
        bytes or str objects.
    objectives: what to fit: those of all tasks, in the order of their units.
    folds: int64, from 0. groups: int64; rows of one group are in one fold.
    threads: how many to use.
    """

    features: tuple[Feature, ...]
    raw: Mapping[str, np.ndarray]
    preprocessed: Mapping[str, np.ndarray]
    representation: np.ndarray | None
    objectives: tuple[Objective, ...]
    folds: np.ndarray
    groups: np.ndarray
    seed: int
    threads: int = 2
    blocks: np.ndarray | None = None

    @property
    def units(self) -> int:
        """Width of the margins."""
        return sum(o.units for o in self.objectives)


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fitted expert: the average of the models of all folds.

    arrays: its numbers, by name. out_of_fold: float32 [rows, members x units], the margins of every
    row of `FitRows` from the models that did not see the row's fold.
    figures: what the user should see, such as the number of trees, by name.
    """

    expert: Expert
    arrays: Mapping[str, np.ndarray]
    out_of_fold: np.ndarray
    figures: Mapping[str, float | int | str]


class ExpertKind(ABC):
    """Fits the experts of one kind."""

    package: str = ""
    """The library that it needs and the extra that brings it, if they are no dependency."""
    extra: str = ""
    most_outputs: int | None = None
    """Left out if the tasks have more raw outputs: it would be large and slow to fit."""

    @abstractmethod
    def reads(self, features: Sequence[Feature], represented: bool) -> bool:
        """Whether there is something that it can learn from.

        represented: whether a frozen trunk computes a representation in advance.
        """

    @abstractmethod
    def fit(self, rows: FitRows, report: Report) -> Iterator[Fitted]:
        """Fit its experts, deterministically."""
