"""Label columns into arrays that heads and metrics take; see `models.task` for each encoding."""

from __future__ import annotations

from components.arrow import np, pa
from models.task import Task, TaskTarget


def resolve(task: Task, column: pa.ChunkedArray) -> TaskTarget:
    """A task with its classes, counts and moments, from its training label column.

    Raises:
        RootstockError: a value lies outside the declared classes or map, or is of the wrong type.
    """
    raise NotImplementedError


def encode(target: TaskTarget, column: pa.ChunkedArray | None, num_rows: int) -> np.ndarray:
    """Encoded labels of `num_rows` rows; all missing where there is no column.

    Raises:
        RootstockError: a value lies outside the classes; names value and row.
    """
    raise NotImplementedError
