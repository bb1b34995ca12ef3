"""Chooses the calibration of each task, on validation rows. Training rows with the margins of
experts out of fold would be more, but the network has no part in what is said of them.

`auto` compares methods by cross-validated log loss. A method with more parameters is taken only
where it is better by more than twice the standard error of the difference, so that noise does not
choose it. Rows of one group (`data.key`) are in one fold, and count together in that error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.calibration.unseen import Unseen, folds, standard_error
from components.stage import Observer
from models.calibration.base import Answered, Calibration
from models.calibration.identity import Identity
from models.discovery import methods
from models.multitask.answering import Answering

FEWEST_OF_EACH = 20
"""Groups with rows of each class, and with rows without it; with fewer, `auto` changes nothing.
Without `data.key` every row is a group.
"""
STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Chosen:
    """The calibration of a task.

    rows, groups: that it was fitted to. before, after: mean log loss of these rows, after out of
    fold. few: whether there were too few to choose.
    """

    calibration: Calibration
    rows: int
    groups: int
    before: float
    after: float
    few: bool = False

    @property
    def changes(self) -> bool:
        """Whether probabilities are not what they were."""
        return not isinstance(self.calibration, Identity)

    def __str__(self) -> str:
        change = f"{self.before:.4f} → {self.after:.4f}" if self.changes else f"{self.before:.4f}"
        if not self.rows:
            return "none: there are no validation rows"
        text = f"{self.calibration.described()}: log loss {change} on {self.rows} validation rows"
        text += f" of {self.groups} groups" if self.groups < self.rows else ""
        why = f"; to choose, {FEWEST_OF_EACH} or more with and without each class are needed"
        return text + (why if self.few else "")


def choose_calibrations(
    answering: Answering, unseen: Mapping[str, Unseen], observer: Observer
) -> dict[str, Chosen]:
    """The calibration of each task that asks for one.

    unseen: rows by task, with raw outputs that are not calibrated.
    """
    chosen = {}
    for head in answering.heads:
        target, wanted = head.target, head.target.task.calibrates_by
        if wanted == "none":
            continue
        validated = unseen[target.name].of_validation
        rows, groups = validated.answered(target), validated.groups
        if wanted != "auto" and not enough(rows, groups, 1):
            observer.warn(
                f"tasks.{target.name}.calibration: none, because a class has no row among the"
                f" {len(rows)} validation rows, or they are of one group. Expected rows of every"
                f" class, and of two groups, for {wanted}: give data.splits.val a larger share."
            )
            continue
        chosen[target.name] = calibrated(rows, groups, wanted)
    return chosen


def calibrated(rows: Answered, groups: np.ndarray, wanted: str = "auto") -> Chosen:
    """The method, fitted to all rows; the best one where `auto` is wanted.

    groups: int64 [rows], from 0, without gaps.
    """
    known = methods("models.calibration", Calibration)
    tried = [known[wanted]] if wanted in known else sorted(known.values(), key=lambda m: m.order)
    few = wanted == "auto" and not enough(rows, groups, FEWEST_OF_EACH)
    tried = [Identity] if few else tried
    if not len(rows):
        return Chosen(Identity(), 0, 0, 0.0, 0.0, few)
    before = rows.losses(rows.outputs)
    best, least = tried[0], out_of_fold_losses(tried[0], rows, groups)
    for method in tried[1:]:
        losses = out_of_fold_losses(method, rows, groups)
        gain = least - losses
        if gain.mean() > STANDARD_ERRORS * standard_error(gain, groups):
            best, least = method, losses
    means = float(before.mean()), float(least.mean())
    return Chosen(best.fit(rows), len(rows), int(groups.max()) + 1, *means, few)


def enough(rows: Answered, groups: np.ndarray, fewest: int) -> bool:
    """Whether so many groups have rows of every class, and so many have rows without it; and
    whether there are two groups.
    """
    masks = [m for right in rows.targets.T for m in (right > 0.5, right <= 0.5)]
    counts = [len(np.unique(groups[mask])) for mask in masks]
    return len(np.unique(groups)) > 1 and min(counts) >= fewest


def out_of_fold_losses(method: type[Calibration], rows: Answered, groups: np.ndarray) -> np.ndarray:
    """The log loss of each row, by the method fitted to the other folds, [rows]."""
    return rows.losses(out_of_fold_outputs(method, rows, groups))


def out_of_fold_outputs(
    method: type[Calibration], rows: Answered, groups: np.ndarray
) -> np.ndarray:
    """The raw outputs of each row, by the method fitted to the other folds, [rows, units]."""
    fold, outputs = folds(groups), np.zeros(rows.outputs.shape)
    for f in np.unique(fold):
        outputs[fold == f] = method.fit(rows.at(fold != f))(rows.outputs[fold == f])
    return outputs
