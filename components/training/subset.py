"""Some of the training rows: what a model would be worth with fewer labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from components.data.arrow import np
from components.errors import RootstockError
from components.labels.base import labels_of
from components.labels.encoding import counted
from models.config import STRICT
from models.tasks.base import TaskTarget

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Which training rows are used, drawn at random; a smaller subset lies within every larger one
    of the same kind and seed.

    rows: how many in all, the classes of the first task in the proportions of the training split.
    per_class: how many of each class of the first task (negative and positive for a binary task);
        rows without its label are left out.
    """

    __pydantic_config__ = STRICT
    rows: Annotated[int, Field(ge=1)] | None = None
    per_class: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if (self.rows is None) == (self.per_class is None):
            raise ValueError("expected one of `rows` and `per_class`")


def chosen(
    subset: Subset, labels: Mapping[str, np.ndarray], targets: Sequence[TaskTarget]
) -> NDArray[np.int64]:
    """The rows of a subset, ascending.

    labels: of all training rows, encoded as `models.tasks.base` states, by task.

    Raises:
        RootstockError: there are fewer rows than it asks for, or no classes to count by.
    """
    first = targets[0]
    classes = labels_of(first.task).class_codes(labels[first.name])
    order = np.random.default_rng(subset.seed).permutation(len(labels[first.name]))
    if subset.rows is not None:
        return _in_proportion(subset.rows, order, classes)
    assert subset.per_class is not None
    return _of_each_class(subset.per_class, order, classes, first)


def known_from(labels: np.ndarray, target: TaskTarget) -> TaskTarget:
    """A target of all training rows as the encoded labels of some of them tell it.

    Raises:
        RootstockError: there are none.
    """
    found = counted(target, labels)
    if not found.labelled:
        raise RootstockError(
            f"training.subset: none of its {len(labels)} rows has a label of task"
            f" {target.name!r}. Ask for more rows, or leave the task out."
        )
    return found


def _in_proportion(
    rows: int, order: NDArray[np.int64], classes: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """The first `rows` of an order in which every beginning holds each class in proportion."""
    if rows > len(order):
        raise RootstockError(
            f"training.subset.rows: {rows} asked for, but the train split has {len(order)} rows."
            f" Expected {len(order)} at most."
        )
    if classes is None:
        return np.sort(order[:rows])
    ranks = np.empty(len(order))
    for c in np.unique(classes):
        members = order[classes[order] == c]
        ranks[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(order[np.argsort(ranks[order], kind="stable")[:rows]])


def _of_each_class(
    count: int,
    order: NDArray[np.int64],
    classes: NDArray[np.int64] | None,
    target: TaskTarget,
) -> NDArray[np.int64]:
    if classes is None:
        raise RootstockError(
            f"training.subset.per_class: the first task, {target.name!r}, is a {target.task.kind}"
            " task, which has no classes to count by. Give `rows` instead, or put a task first"
            " whose rows have one class each, such as a binary task."
        )
    members = [order[classes[order] == c] for c in range(len(target.classes))]
    scarce = min(range(len(members)), key=lambda c: len(members[c]))
    if len(members[scarce]) < count:
        raise RootstockError(
            f"training.subset.per_class: {count} asked for, but the train split has"
            f" {len(members[scarce])} rows of class {target.classes[scarce]!r} of task"
            f" {target.name!r}. Expected {len(members[scarce])} at most."
        )
    return np.sort(np.concatenate([m[:count] for m in members]))
