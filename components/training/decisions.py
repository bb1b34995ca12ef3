"""Chooses the probability above which the answer of a task is yes, on rows that the model has not
seen.

The best threshold for F1 is half of the best F1 that the model can reach (Lipton, Elkan and
Naryanaswamy 2014, arXiv:1402.1892, theorem 1), so it is far below 0.5 where a rare class is hard to
tell. Training rows with the margins of experts out of fold are such rows too, so that few labels
need not be spent on validation.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from components.stage import Observer
from components.training.unseen import Unseen
from models.lazy import tf
from models.multitask.model import MultitaskModel
from models.tasks.base import DECISION

FEWEST_POSITIVES = 2


def choose_decisions(
    model: MultitaskModel, unseen: Mapping[str, Unseen], observer: Observer
) -> dict[str, float]:
    """The threshold of each task whose `decision` asks for one to be chosen.

    model: with its last word and its calibrations. unseen: rows by task, with raw outputs.
    """
    chosen = {}
    for head in model.heads:
        if head.target.task.decides_by != "f1":
            continue
        name, rows = head.target.name, unseen[head.target.name]
        outputs = tf.constant(rows.outputs, tf.float32)
        p = model.calibrated(head, outputs).numpy().astype(np.float64).ravel()
        yes = rows.labels.ravel() > 0.5
        chosen[name] = best_decision(yes, p)
        if yes.sum() < FEWEST_POSITIVES:
            observer.warn(
                f"tasks.{name}.decision: {int(yes.sum())} positive labels in rows that the model"
                f" has not seen are too few to choose it: it is {DECISION}. Expected"
                f" {FEWEST_POSITIVES} or more: give data.splits.val a share, or state a number."
            )
    return chosen


def best_decision(yes: np.ndarray, p: np.ndarray) -> float:
    """The middle of the thresholds with the highest F1; 0.5 for fewer than `FEWEST_POSITIVES`.

    yes: bool [n], which labels are positive. p: float64 [n], their probabilities.
    """
    if yes.sum() < FEWEST_POSITIVES:
        return DECISION
    order = np.argsort(-p, kind="stable")
    ranked, hits = p[order], np.cumsum(yes[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    f1 = 2 * hits[ends] / (ends + 1 + yes.sum())
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    below = np.append(ranked[ends[1:]], 0.0)  # the next lower probability
    middle = best[len(best) // 2]
    return float((ranked[ends[middle]] + below[middle]) / 2)
