"""Chooses the probability above which the answer of a task is yes, on rows that the model has not
seen.

The best threshold for F1 is half of the best F1 that the model can reach (Lipton, Elkan and
Naryanaswamy 2014, arXiv:1402.1892, theorem 1), so it is far below 0.5 where a rare class is hard to
tell. Training rows with the margins of experts out of fold are such rows too, so that few labels
need not be spent on validation.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from components.stage import Observer
from components.training.rows import Rows
from models.experts.margins import MARGINS
from models.lazy import tf
from models.multitask.model import MultitaskModel
from models.tasks.base import DECISION
from models.tasks.heads.head import Head

FEWEST_POSITIVES = 2
BATCH_ROWS = 512


def choose_decisions(
    model: MultitaskModel, train: Rows, val: Rows | None, observer: Observer
) -> dict[str, float]:
    """The threshold of each task whose `decision` asks for one to be chosen.

    model: with its last word. Validation rows count, and training rows with the margins of experts
    that have not seen them, if experts have at least half of the last word.
    """
    chosen = {}
    for head in model.heads:
        if head.target.task.decides_by != "f1":
            continue
        name = head.target.name
        unseen = list(_unseen(model, head, train, val))
        yes = np.concatenate([np.zeros(0, bool), *(y for y, _ in unseen)])
        p = np.concatenate([np.zeros(0), *(x for _, x in unseen)])
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


def _unseen(
    model: MultitaskModel, head: Head, train: Rows, val: Rows | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Labels and probabilities, one after another: bool [n], float64 [n]."""
    name = head.target.name
    if val is not None:
        answer = tf.function(model.answers, reduce_retracing=True, autograph=False)
        starts = range(0, len(val), BATCH_ROWS)
        batches = (
            {n: tf.constant(v[i : i + BATCH_ROWS]) for n, v in val.features.items()} for i in starts
        )
        yield _flat(val.labels[name], np.concatenate([answer(b)[name].numpy() for b in batches]))
    outputs = _out_of_fold(model, head, train)
    if outputs is not None:
        yield _flat(train.labels[name], head.answer(tf.constant(outputs, tf.float32)).numpy())


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


def _flat(labels: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels, answers = labels.reshape(len(labels), -1), answers.reshape(len(answers), -1)
    known = ~np.isnan(labels).any(axis=1)
    return labels[known].ravel() > 0.5, answers[known].astype(np.float64).ravel()
