"""What kinds of tasks with numeric labels share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from components.data.arrow import np, pa, pc
from components.data.casting import numbers
from components.errors import RootstockError
from components.labels.base import NUMBER, LabelColumn
from models.tasks.base import Task

if TYPE_CHECKING:
    import pandas as pd

    from components.labels.base import Predict


def finite_numbers(
    task: Task, column: pa.ChunkedArray | None, num_rows: int, expected: str = "numbers"
) -> np.ndarray:
    """float64 [num_rows], NaN for missing.

    Raises:
        RootstockError: the column does not hold numbers, or holds an infinite one.
    """
    if column is None:
        return np.full(num_rows, np.nan)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise RootstockError(
            f"tasks.{task.name}: label column {task.label!r} holds {kind} values. Expected"
            f" {expected} for a {task.kind} task."
        )
    values = numbers(column)
    if np.isinf(values).any():
        row = int(np.flatnonzero(np.isinf(values))[0])
        raise RootstockError(
            f"tasks.{task.name}: label {values[row]} of column {task.label!r}, row {row}, is not"
            " finite."
        )
    return values


def unfit(task: Task, column: LabelColumn, expected: str = "numbers") -> str:
    """Why a column cannot hold numeric labels; empty if it can."""
    if column.shape == "numbers" and column.type != "bool":
        return ""
    return (
        f"label column {task.label!r} holds {column.type} values. Expected {expected} for a"
        f" {task.kind} task."
    )


def problems(task: Task, splits: Mapping[str, LabelColumn]) -> list[str]:
    """Infinite labels, and training labels that are all the same."""
    sentences = []
    for column in splits.values():
        if column.infinite:
            sentences.append(
                f"{column.infinite} labels in column {task.label!r} of {column.split} are infinite."
            )
        if column.split == "train" and column.deviation == 0:
            sentences.append(
                f"every label in column {task.label!r} of train is {column.mean:g}: there is"
                " nothing to learn."
            )
    return sentences


def combinations(column: pa.Array) -> pa.Array:
    """`NUMBER` in every row that has one, else null."""
    known = pa.array(~np.isnan(numbers(column)))
    return pc.if_else(known, NUMBER, pa.scalar(None, pa.string()))


def fit_regressor(make: Callable[[], Any], features: pd.DataFrame, labels: np.ndarray) -> Predict:
    """Numbers [rows, 1] from a model of the rows that have a label."""
    known = ~np.isnan(labels)
    model = make().fit(features[known], labels[known])
    return lambda rows: np.asarray(model.predict(rows)).reshape(len(rows), 1)
