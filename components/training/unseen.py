"""Rows that a trained model has not seen, with what it says of them: what follows its training
(calibration, decisions, intervals) is chosen on them. Importing this module imports TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from components.labels.base import labels_of
from components.labels.encoding import labelled
from components.labels.point_losses import LOSSES
from components.training.rows import Rows
from models.calibration.base import Answered
from models.experts.margins import MARGINS
from models.lazy import tf
from models.multitask.model import MultitaskModel
from models.tasks.base import TaskTarget
from models.tasks.heads.head import Head

BATCH_ROWS = 512


@dataclass(frozen=True)
class Unseen:
    """Labelled rows of one task.

    labels: encoded, none of them missing. outputs: float64 [rows, units], raw outputs.
    groups: int64 [validated], the group of each validation row, from 0, without gaps.
    validated: how many of the rows, the first ones, are validation rows.
    """

    labels: np.ndarray
    outputs: np.ndarray
    validated: int = 0
    groups: np.ndarray = field(default_factory=lambda: np.arange(0))

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def of(
        cls, labels: np.ndarray, outputs: np.ndarray, groups: np.ndarray | None = None
    ) -> Unseen:
        """Those of some rows that are labelled. groups: int64 [rows]; None if each row is one of
        its own.
        """
        known = labelled(labels)
        own = np.arange(len(labels)) if groups is None else groups
        codes = np.unique(own[known], return_inverse=True)[1]
        return cls(labels[known], outputs[known].astype(np.float64), len(codes), codes)

    @property
    def of_validation(self) -> Unseen:
        """The validation rows alone: only they are answered by the whole model."""
        n = self.validated
        return Unseen(self.labels[:n], self.outputs[:n], n, self.groups)

    def answered(self, target: TaskTarget) -> Answered:
        """The same for a calibration. The task has classes."""
        objectives = labels_of(target.task).objectives(target, self.labels)
        targets = [LOSSES[o.loss].targets(o.labels, o.units) for o in objectives]
        exclusive = any(o.units > 1 for o in objectives)
        return Answered(self.outputs, np.concatenate(targets, axis=1), exclusive)


def unseen_rows(
    model: MultitaskModel, train: Rows, val: Rows | None, groups: np.ndarray | None = None
) -> dict[str, Unseen]:
    """Of the tasks that choose something on them: validation rows, and training rows with the
    margins of experts that have not seen them, if experts have at least half of the last word.

    groups: of the validation rows; None if each is one of its own.
    """
    heads = [head for head in model.heads if head.target.task.chooses_on_unseen_rows]
    validated = _validated(model, val, groups) if heads and val is not None else {}
    rows = {}
    for head in heads:
        name = head.target.name
        parts = [validated[name]] if name in validated else []
        margins = _out_of_fold(model, head, train)
        parts += [] if margins is None else [Unseen.of(train.labels[name], margins)]
        parts = parts or [Unseen(train.labels[name][:0], np.zeros((0, head.units)))]
        labels = np.concatenate([p.labels for p in parts])
        outputs = np.concatenate([p.outputs for p in parts])
        first = validated.get(name, Unseen(labels[:0], outputs[:0]))
        rows[name] = Unseen(labels, outputs, first.validated, first.groups)
    return rows


def _validated(model: MultitaskModel, val: Rows, groups: np.ndarray | None) -> dict[str, Unseen]:
    """The raw outputs of the last word."""
    answer = tf.function(model.raw_outputs, reduce_retracing=True, autograph=False)
    parts = [
        answer({n: tf.constant(v[i : i + BATCH_ROWS]) for n, v in val.features.items()})
        for i in range(0, len(val), BATCH_ROWS)
    ]
    return {
        name: Unseen.of(labels, np.concatenate([p[name].numpy() for p in parts]), groups)
        for name, labels in val.labels.items()
        if name in parts[0]
    }


def _out_of_fold(model: MultitaskModel, head: Head, train: Rows) -> np.ndarray | None:
    """Raw outputs of the experts [rows, units]; None if the network has most of the last word."""
    word = model.last_word
    if not word.member_weights:
        return None
    at = word.tasks.index(head.target.name)
    weights = np.asarray(word.member_weights[at])
    if weights[0] > 0.5:
        return None
    first = sum(word.units[:at])
    margins = np.asarray(train.features[MARGINS][:])
    own = np.stack(np.split(margins, len(weights) - 1, axis=1))[:, :, first : first + head.units]
    mean = np.einsum("m,mru->ru", weights[1:] / weights[1:].sum(), own)
    return np.asarray(mean + np.asarray(word.biases[at]))


def standard_error(values: np.ndarray, groups: np.ndarray) -> float:
    """Of the mean of rows that are drawn by group. values: [rows]. groups: int64 [rows], from 0."""
    totals = np.bincount(groups, values - values.mean())
    return float(np.sqrt((totals**2).sum()) / len(values))
