"""Rows that a model has not seen in training, with its raw outputs. Importing this module imports
TensorFlow.
"""

from __future__ import annotations

import numpy as np

from components.calibration.unseen import Unseen
from components.training.rows import Rows
from models.experts.margins import MARGINS
from models.lazy import tf
from models.multitask.model import MultitaskModel
from models.tasks.heads.head import Head

BATCH_ROWS = 512


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
