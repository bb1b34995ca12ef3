"""Rows that a trained model has not seen, with what it says of them: what follows its training
(calibration, decisions, intervals) is chosen on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from components.labels.base import labels_of
from components.labels.encoding import labelled
from components.labels.point_losses import LOSSES
from models.calibration.base import Answered
from models.tasks.base import TaskTarget

FOLDS = 5


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


def folds(groups: np.ndarray) -> np.ndarray:
    """The fold of each row, int64 [rows]: five of them, or as many as there are groups.

    groups: int64 [rows], from 0, without gaps.
    """
    return np.asarray((np.random.default_rng(0).permutation(int(groups.max()) + 1) % FOLDS)[groups])


def standard_error(values: np.ndarray, groups: np.ndarray) -> float:
    """Of the mean of rows that are drawn by group. values: [rows]. groups: int64 [rows], from 0."""
    totals = np.bincount(groups, values - values.mean())
    return float(np.sqrt((totals**2).sum()) / len(values))
