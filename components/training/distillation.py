"""Distillation: one model learns from the labels and from the answers of a teacher.

Hinton, Vinyals and Dean (2015, arXiv:1503.02531) train on the teacher's probabilities beside the
labels. Here every training row is repeated with labels that are drawn from them, which is the same
in expectation, and needs no loss of its own: every kind of task can be taught. A row without a
label gets one too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from components.labels.base import labels_of
from components.training.rows import Rows, TrainingData

COPIES = 2
"""Times that a row is repeated with a drawn label: the teacher has two thirds of the say."""


def distilled(data: TrainingData, answers: dict[str, np.ndarray], seed: int) -> TrainingData:
    """The training rows, each of them once with its labels and `COPIES` times with drawn ones.

    answers: of the teacher to all rows of the training split, [rows, width] by task.
    """
    count, rng = len(data.train), np.random.default_rng(seed)
    labels = {}
    for target in data.targets:
        own, kind = answers[target.name][data.rows].astype(np.float64), labels_of(target.task)
        drawn = [kind.drawn(own, rng.random(own.shape)) for _ in range(COPIES)]
        labels[target.name] = np.concatenate([data.train.labels[target.name], *drawn])
    again = np.tile(np.arange(count), 1 + COPIES)
    features = {name: values[again] for name, values in data.train.features.items()}
    targets = tuple(replace(t, labelled=t.labelled + COPIES * count) for t in data.targets)
    train, rows = Rows(features, labels), data.rows[again]
    return replace(data, targets=targets, train=train, rows=rows, drawn=COPIES * count)
