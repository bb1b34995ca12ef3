"""Label columns as arrays for heads and metrics; `models.tasks` states the encodings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from components.artifacts import Examples
from components.data.lazy import np, pa, pq
from components.labels.base import labels_of
from models.tasks.base import Task, TaskTarget


def resolve(task: Task, column: pa.ChunkedArray) -> TaskTarget:
    """A task with its classes, counts and moments, from its training label column.

    Raises:
        RootstockError: a value lies outside the declared classes or map, or is of the wrong type.
    """
    classes = labels_of(task).classes(task, column)
    target = TaskTarget(task=task, classes=classes, decision=task.stated_decision)
    return counted(target, encode(target, column, len(column)))


def counted(target: TaskTarget, encoded: np.ndarray) -> TaskTarget:
    """The same task and classes, with the counts and moments of these encoded labels."""
    known = encoded[labelled(encoded)]
    return labels_of(target.task).counted(replace(target, labelled=len(known)), known)


def encode(target: TaskTarget, column: pa.ChunkedArray | None, num_rows: int) -> np.ndarray:
    """Encoded labels of `num_rows` rows; all missing if the column is None.

    Raises:
        RootstockError: a value lies outside the classes; names value and row.
    """
    labels = pa.chunked_array([pa.nulls(num_rows)]) if column is None else column
    return labels_of(target.task).encode(target.task, target.classes, labels)


def encode_table(target: TaskTarget, table: pa.Table, num_rows: int) -> np.ndarray:
    """Encoded labels of a table's rows; all missing if it lacks the label column."""
    name = target.task.label
    column = table.column(name) if name in table.column_names else None
    return encode(target, column, num_rows)


def encode_split(
    targets: Iterable[TaskTarget], examples: Examples, split: str
) -> dict[str, np.ndarray]:
    """Encoded labels of a split, by task. The split has rows."""
    present = pq.read_schema(examples.shards(split)[0]).names
    columns = dict.fromkeys(t.task.label for t in targets if t.task.label in present)
    table, num_rows = examples.read(split, list(columns)), examples.num_rows(split)
    return {t.name: encode_table(t, table, num_rows) for t in targets}


def labelled(encoded: np.ndarray) -> np.ndarray:
    """Bool [rows]: which rows carry the label, by the rule of `models.tasks.base`."""
    if encoded.dtype.kind != "f":
        return np.asarray(encoded >= 0)
    return np.asarray(~np.isnan(encoded).any(axis=tuple(range(1, encoded.ndim))))
