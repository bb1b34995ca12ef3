"""Rows to train on: features from batches, labels from examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.artifacts import Batches, Examples
from components.data.row_keys import group_codes
from components.errors import RootstockError
from components.labels.encoding import encode_table, resolve
from components.training.recipe import TrainerInputs
from components.training.subset import Subset, chosen_rows, target_of_rows
from components.transform.batches import (
    ShardedRows,
    load_columns,
    open_columns,
    stored_margins,
    stored_representation,
)
from components.transform.preprocessing_file import load_preprocessing
from models.experts.margins import MARGINS
from models.experts.record import read_experts
from models.inputs.base import Feature
from models.tasks.base import Task, TaskTarget
from models.trunks.base import Trunk

Columns = Mapping[str, np.ndarray]
Features = Mapping[str, np.ndarray | ShardedRows]
IN_MEMORY_BYTES = 2**31
"""Arrays up to this size are copied into tensors. Larger ones stay on disk, read by batch."""


@dataclass(frozen=True)
class Rows:
    """Arrays [rows, ...] of a split, by feature and by task."""

    features: Features
    labels: Columns

    def __len__(self) -> int:
        return len(next(iter(self.labels.values())))


@dataclass(frozen=True)
class TrainingData:
    """Labelled rows of the training and the validation split; `val` is None if that is empty.

    targets: of all tasks, as the training labels determine them.
    rows: int64, which rows of the training split these are.
    val_groups: int64 [validation rows], equal for rows of a group; None if each is one of its own.
    drawn: how many of the training rows, the last ones, have labels that a teacher drew.
    """

    targets: tuple[TaskTarget, ...]
    train: Rows
    val: Rows | None
    rows: np.ndarray
    val_groups: np.ndarray | None = None
    drawn: int = 0

    @property
    def observed(self) -> Rows:
        """The training rows with labels of the data: what is chosen on labels is chosen on them."""
        if not self.drawn:
            return self.train
        own, count = self.train, len(self.train) - self.drawn
        features = {name: values[:count] for name, values in own.features.items()}
        return Rows(features, {name: values[:count] for name, values in own.labels.items()})

    def only(self, indices: np.ndarray) -> TrainingData:
        """The same data with some of the training rows only.

        Raises:
            RootstockError: none of these rows has a label of some task.
        """
        features = {name: values[indices] for name, values in self.train.features.items()}
        labels = {name: values[indices] for name, values in self.train.labels.items()}
        targets = tuple(target_of_rows(labels[t.name], t) for t in self.targets)
        train, rows = Rows(features, labels), self.rows[indices]
        return replace(self, targets=targets, train=train, rows=rows)

    def mapped(self, change: Callable[[Rows], Rows]) -> TrainingData:
        """The same data with other columns of the same rows."""
        return replace(self, train=change(self.train), val=self.val and change(self.val))

    def with_margins(self, train: np.ndarray, val: np.ndarray | None) -> TrainingData:
        """The same data with what experts say of its rows, float32 [rows, margins]."""
        own = Rows({**self.train.features, MARGINS: train}, self.train.labels)
        other = self.val
        if other is not None:
            assert val is not None
            other = Rows({**other.features, MARGINS: val}, other.labels)
        return replace(self, train=own, val=other)


def load_training_data(
    inputs: TrainerInputs,
    tasks: tuple[Task, ...],
    subset: Subset | None,
    trunk: Trunk | None = None,
    key: Sequence[str] = (),
) -> tuple[tuple[Feature, ...], TrainingData]:
    """The features of a model and the rows to train it on: all of them, or a subset.

    Rows hold the representation of a frozen trunk instead of features if it is among the inputs.

    trunk: of the model: it may read other features beside the representation. key: columns of which
        equal values make validation rows a group.

    Raises:
        RootstockError: there are no training rows, or none of them has a label of some task.
    """
    features = load_preprocessing(inputs.preprocessing)
    read = features
    if inputs.embeddings is not None:
        read = trunk.beside_stored(features) if trunk else ()
    data = load_rows(inputs.examples, inputs.batches, read, tasks, inputs.embeddings)
    if key and data.val:
        data = replace(data, val_groups=group_codes(inputs.examples.read("val", list(key)), key))
    if subset is not None:
        data = data.only(chosen_rows(subset, data.train.labels, data.targets))
    if inputs.experts is not None and read_experts(inputs.experts.path):
        margins = inputs.experts.margins
        column = stored_margins(margins)
        train = load_columns(margins, "train", (column,))[MARGINS]
        val = load_columns(margins, "val", (column,))[MARGINS] if data.val else None
        data = data.with_margins(train, val)
    return features, data


def load_rows(
    examples: Examples,
    batches: Batches,
    features: tuple[Feature, ...],
    tasks: tuple[Task, ...],
    embeddings: Batches | None = None,
) -> TrainingData:
    """Features from `batches`, representations from `embeddings`, and encoded labels from
    `examples`.

    Raises:
        RootstockError: there are no training rows, or none of them has a label of some task.
    """
    if not examples.shards("train"):
        raise RootstockError(
            "The train split has no rows. Give data.splits.train a larger share, or add data."
        )
    columns = {split: _label_columns(examples, split, tasks) for split in ("train", "val")}
    targets = tuple(_target(task, columns["train"]) for task in tasks)

    def rows(split: str) -> Rows | None:
        count = examples.num_rows(split)
        if not count:
            return None
        labels = {t.name: encode_table(t, columns[split], count) for t in targets}
        read: dict[str, np.ndarray | ShardedRows] = {}
        if features:
            read |= open_columns(batches, split, features, IN_MEMORY_BYTES)
        if embeddings is not None:
            column = stored_representation(embeddings)
            read |= open_columns(embeddings, split, (column,), IN_MEMORY_BYTES)
        return Rows(read, labels)

    train = rows("train")
    assert train is not None
    return TrainingData(targets, train, rows("val"), np.arange(len(train)))


def _label_columns(examples: Examples, split: str, tasks: tuple[Task, ...]) -> pa.Table:
    if not examples.shards(split):
        return pa.table({})
    columns = pq.read_schema(examples.shards(split)[0]).names
    labels = dict.fromkeys(t.label for t in tasks if t.label in columns)
    return examples.read(split, list(labels))


def _target(task: Task, columns: pa.Table) -> TaskTarget:
    if task.label in columns.column_names:
        target = resolve(task, columns.column(task.label))
        if target.labelled:
            return target
    raise RootstockError(
        f"Task {task.name!r}: no training row has a value in label column {task.label!r}. Name the"
        " column that holds the label, or remove the task."
    )
