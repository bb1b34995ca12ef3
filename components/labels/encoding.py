"""Label columns into arrays that heads and metrics take; encodings are in `models.tasks`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from components.data.arrow import np, pa, pc
from components.data.casting import numbers, texts
from components.errors import RootstockError
from models.tasks.base import Task, TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

SHOWN = 10
BINARY = ("negative", "positive")


def resolve(task: Task, column: pa.ChunkedArray) -> TaskTarget:
    """A task with its classes, counts and moments, from its training label column.

    Raises:
        RootstockError: a value lies outside the declared classes or map, or is of the wrong type.
    """
    classes = () if isinstance(task, RegressionTask) else classes_of(task, _distinct(task, column))
    target = TaskTarget(task=task, classes=classes)
    return counted(target, encode(target, column, len(column)))


def counted(target: TaskTarget, encoded: np.ndarray) -> TaskTarget:
    """The same task and classes, with the counts and moments of these encoded labels."""
    task = target.task
    if isinstance(task, RegressionTask):
        known = encoded[~np.isnan(encoded)].astype(np.float64)
        return replace(
            target,
            labelled=len(known),
            mean=float(known.mean()) if len(known) else 0.0,
            deviation=float(known.std()) or 1.0 if len(known) else 1.0,
        )
    if isinstance(task, MultilabelTask):
        labelled = ~np.isnan(encoded).any(axis=1)
        counts = encoded[labelled].sum(axis=0)
    elif isinstance(task, BinaryTask):
        labelled = ~np.isnan(encoded)
        counts = np.bincount(encoded[labelled].astype(np.int64), minlength=2)
    else:
        labelled = encoded >= 0
        counts = np.bincount(encoded[labelled], minlength=len(target.classes))
    return replace(target, class_counts=tuple(int(c) for c in counts), labelled=int(labelled.sum()))


def encode(target: TaskTarget, column: pa.ChunkedArray | None, num_rows: int) -> np.ndarray:
    """Encoded labels of `num_rows` rows; all missing where there is no column.

    Raises:
        RootstockError: a value lies outside the classes; names value and row.
    """
    task = target.task
    if isinstance(task, RegressionTask):
        if column is None:
            return np.full(num_rows, np.nan, np.float32)
        return _numbers(task, column).astype(np.float32)
    if isinstance(task, MultilabelTask):
        return _encode_multilabel(target, task, column, num_rows)
    if column is None:
        column = pa.nulls(num_rows, pa.string())
    codes = _texts(task, column).dictionary_encode()
    values = codes.dictionary.to_pylist()
    rows = pc.fill_null(codes.indices, len(values)).to_numpy(zero_copy_only=False)
    if isinstance(task, BinaryTask):
        table = np.array([v in task.positive for v in values] + [np.nan], np.float32)
    else:
        index = {c: i for i, c in enumerate(target.classes)}
        table = np.array([index.get(class_of(task, v) or "", -2) for v in values] + [-1], np.int32)
        if (table == -2).any():
            row = int(np.flatnonzero(table[rows] == -2)[0])
            raise _outside(task, values[rows[row]], f"row {row}", target.classes)
    return np.asarray(table[rows])


def classes_of(task: Task, values: Sequence[str]) -> tuple[str, ...]:
    """Classes in index order, given the distinct training label values as text: those declared,
    else those found, numerically sorted where all are integers.
    """
    if isinstance(task, BinaryTask):
        return BINARY
    if isinstance(task, RegressionTask):
        return ()
    if task.classes:
        return task.classes
    if isinstance(task, MulticlassTask) and task.map:
        return _sorted(set(task.map.values()))
    return _sorted(set(values))


def class_of(task: MulticlassTask, value: str) -> str | None:
    """The class that a label value means; None if `map` lacks it."""
    return task.map.get(value) if task.map else value


def split_labels(task: MultilabelTask, value: str) -> list[str]:
    """The labels in a text such as "cat, dog"."""
    return [part for p in value.split(task.separator) if (part := p.strip())]


def outside(task: Task, value: str, classes: Sequence[str]) -> str:
    """What to say of a label value that is none of the classes, without its place."""
    if isinstance(task, MulticlassTask) and task.map:
        expected, key = list(task.map), "map"
    else:
        expected, key = list(classes), "classes"
    close = difflib.get_close_matches(value, expected, 1)
    shown = ", ".join(expected[:SHOWN]) + (", …" if len(expected) > SHOWN else "")
    hint = f" Did you mean {close[0]!r}?" if close else ""
    declared = getattr(task, key)
    where = f"the task's `{key}`" if declared else "the classes of the training split"
    return f"is not in {where} ({shown}).{hint}"


def _outside(task: Task, value: str, place: str, classes: Sequence[str]) -> RootstockError:
    return RootstockError(
        f"tasks.{task.name}: label {value!r} of column {task.label!r}, {place},"
        f" {outside(task, value, classes)}"
    )


def _sorted(values: set[str]) -> tuple[str, ...]:
    if all(v.lstrip("-").isdigit() for v in values):
        return tuple(sorted(values, key=lambda v: (int(v), v)))
    return tuple(sorted(values))


def _encode_multilabel(
    target: TaskTarget, task: MultilabelTask, column: pa.ChunkedArray | None, num_rows: int
) -> np.ndarray:
    """float32 [num_rows, classes]."""
    result = np.zeros((num_rows, len(target.classes)), np.float32)
    if column is None:
        result[:] = np.nan
        return result
    rows, labels = _pairs(task, column)
    codes = labels.dictionary_encode()
    index = {c: i for i, c in enumerate(target.classes)}
    table = np.array([index.get(v, -1) for v in codes.dictionary.to_pylist()], np.int64)
    places = table[codes.indices.to_numpy(zero_copy_only=False)] if len(table) else table
    if (places < 0).any():
        first = int(np.flatnonzero(places < 0)[0])
        raise _outside(task, labels[first].as_py(), f"row {rows[first]}", target.classes)
    result[rows, places] = 1.0
    result[pc.is_null(column).to_numpy(zero_copy_only=False)] = np.nan
    return result


def _pairs(task: MultilabelTask, column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Row and text of every label in a column."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(array.type):
        text = _texts(task, array)
        array = pc.split_pattern(text, task.separator)
    rows = pc.list_parent_indices(array)
    labels = texts(pc.list_flatten(array))
    if not pa.types.is_list(column.type):
        labels = pc.utf8_trim_whitespace(labels)
    keep = pc.and_(pc.is_valid(labels), pc.not_equal(labels, ""))
    return rows.filter(keep).to_numpy(), labels.filter(keep)


def _distinct(task: Task, column: pa.ChunkedArray) -> list[str]:
    labels = _pairs(task, column)[1] if isinstance(task, MultilabelTask) else _texts(task, column)
    found: list[str] = labels.drop_null().unique().to_pylist()
    return found


def _texts(task: Task, column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if pa.types.is_list(column.type) or pa.types.is_binary(column.type):
        raise RootstockError(
            f"tasks.{task.name}: label column {task.label!r} holds {column.type} values. Expected"
            f" one value per row for a {task.kind} task."
        )
    return texts(column)


def _numbers(task: RegressionTask, column: pa.ChunkedArray) -> np.ndarray:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise RootstockError(
            f"tasks.{task.name}: label column {task.label!r} holds {kind} values. Expected numbers"
            " for a regression task."
        )
    found = numbers(column)
    if np.isinf(found).any():
        row = int(np.flatnonzero(np.isinf(found))[0])
        raise RootstockError(
            f"tasks.{task.name}: label {found[row]} of column {task.label!r}, row {row}, is not"
            " finite."
        )
    return found
