"""A subset of the training rows, to measure how good a model is with fewer labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from components.data.lazy import np
from components.errors import RootstockError
from components.labels.base import labels_of
from components.labels.encoding import counted
from models.config import STRICT
from models.tasks.base import TaskTarget

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Which training rows to use, drawn at random. With the same seed, a smaller subset is part of
    every larger one.

    rows: number of rows. The classes of the first task keep their proportions.
    per_class: number of rows of each class of the first task (for a binary task, negative and
        positive). Rows without its label are left out.
    """

    __pydantic_config__ = STRICT
    rows: Annotated[int, Field(ge=1)] | None = None
    per_class: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    def __post_init__(self) -> None:
        if (self.rows is None) == (self.per_class is None):
            raise ValueError("expected either `rows` or `per_class`")


def chosen_rows(
    subset: Subset, labels: Mapping[str, np.ndarray], targets: Sequence[TaskTarget]
) -> NDArray[np.int64]:
    """Indices of the rows of a subset, ascending.

    labels: by task, encoded labels of all training rows: see `models.tasks.base`.

    Raises:
        RootstockError: there are not enough rows, or the first task has no classes.
    """
    first = targets[0]
    classes = labels_of(first.task).class_codes(labels[first.name])
    order = np.random.default_rng(subset.seed).permutation(len(labels[first.name]))
    if subset.rows is not None:
        return _in_proportion(subset.rows, order, classes)
    assert subset.per_class is not None
    return _of_each_class(subset.per_class, order, classes, first)


def target_of_rows(labels: np.ndarray, target: TaskTarget) -> TaskTarget:
    """The target of a task, computed from the labels of some of the training rows.

    Raises:
        RootstockError: none of these rows has a label.
    """
    counts = counted(target, labels)
    if not counts.labelled:
        raise RootstockError(
            f"training.subset: none of its {len(labels)} rows has a label of task"
            f" {target.name!r}. Use more rows, or remove the task."
        )
    return counts


def _in_proportion(
    rows: int, order: NDArray[np.int64], classes: NDArray[np.int64] | None
) -> NDArray[np.int64]:
    """The first rows of an order in which every prefix has all classes in proportion."""
    if rows > len(order):
        raise RootstockError(
            f"training.subset.rows: the train split has {len(order)} rows. Expected at most that"
            f" many. Received: {rows}."
        )
    if classes is None:
        return np.sort(order[:rows])
    ranks = np.empty(len(order))
    for c in np.unique(classes):
        members = order[classes[order] == c]
        ranks[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.sort(order[np.argsort(ranks[order], kind="stable")[:rows]])


def _of_each_class(
    count: int, order: NDArray[np.int64], classes: NDArray[np.int64] | None, target: TaskTarget
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
            f"training.subset.per_class: the train split has {len(members[scarce])} rows of class"
            f" {target.classes[scarce]!r} of task {target.name!r}. Expected at most that many."
            f" Received: {count}."
        )
    return np.sort(np.concatenate([m[:count] for m in members]))
