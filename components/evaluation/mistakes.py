"""The rows that a model gets most wrong, for people to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.data.lazy import Floats, np
from components.evaluation.metrics import Predictions, family_of
from components.labels.encoding import labelled
from models.tasks.base import TaskTarget

MOST = 12


@dataclass(frozen=True)
class Mistake:
    """row: in its split, from 0. label, answer: as a person would say them. probability: of the
    answer, if it is one class. error: of the metric by which mistakes are sorted.
    """

    row: int
    label: str
    answer: str
    probability: float | None
    error: float


def mistakes(
    target: TaskTarget, labels: np.ndarray, outputs: Floats, decision: float
) -> list[Mistake]:
    """Up to `MOST` rows whose answer is not the label, the worst first.

    labels: encoded, missing ones included. outputs: [rows, width], all finite.
    """
    rows = np.flatnonzero(labelled(labels))
    known = Predictions(labels[rows], np.asarray(outputs[rows], np.float64), decision)
    family = family_of(target.task.kind)
    error = family.ratios(known)[family.row_error].counted if len(rows) else np.zeros(0)
    found = []
    for i in np.argsort(-error, kind="stable"):
        label, answer, probability = _said(target, known.labels[i], known.outputs[i], decision)
        if label != answer:
            found.append(Mistake(int(rows[i]), label, answer, probability, float(error[i])))
        if len(found) == MOST:
            break
    return found


def _said(
    target: TaskTarget, label: np.ndarray, output: Floats, decision: float
) -> tuple[str, str, float | None]:
    """The label, the answer and its probability, of one row."""
    classes = target.classes
    if not classes:
        return f"{float(label):.6g}", f"{float(output[0]):.6g}", None
    if target.task.several:
        return _those(classes, label > 0), _those(classes, output > decision), None
    if len(output) == 1:
        yes = bool(output[0] > decision)
        probability = float(output[0] if yes else 1 - output[0])
        return classes[int(label)], classes[int(yes)], probability
    best = int(output.argmax())
    return classes[int(label)], classes[best], float(output[best])


def _those(classes: tuple[str, ...], chosen: np.ndarray) -> str:
    names: Iterator[str] = (c for c, yes in zip(classes, chosen, strict=True) if yes)
    return ", ".join(names) or "none"
