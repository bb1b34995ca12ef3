"""Which decisions of a model hang on less than a tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.data.lazy import np
from models.tasks.base import TaskTarget

Arrays = Mapping[str, "np.ndarray"]


def near_threshold(
    targets: Sequence[TaskTarget], radii: Mapping[str, float], answers: Arrays, tolerance: float
) -> dict[str, np.ndarray]:
    """Where another decision would be right too, because the probability is as close to its
    threshold as rounding can bring it: bool, [rows] of `<task>.class`, [rows, classes] of
    `<task>.labels` and `<task>.set`.

    radii: of sets, by task. answers: of the signature `detailed`. tolerance: of a probability,
        absolute plus relative to it.
    """
    found = {}

    def near(p: np.ndarray, threshold: np.ndarray | float) -> np.ndarray:
        return np.asarray(np.abs(p - threshold) <= 2 * tolerance * (1 + p))

    for target in targets:
        if not target.classes:
            continue
        name, p = target.name, answers[target.name]
        two = p.shape[1] == 1
        least, most = (target.decision, p[:, 0]) if two else np.sort(p, axis=1).T[-2:]
        found[f"{name}.class"] = near(most, least)
        found[f"{name}.labels"] = near(p, target.decision)
        if name in radii:
            before = answers.get(f"{name}.uncalibrated", p)
            each = np.concatenate([1 - before, before], axis=1) if two else before
            found[f"{name}.set"] = near(each, float(np.exp(-radii[name])))
    return found
