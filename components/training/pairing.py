"""Which rows make pairs, and which rows each step of training on pairs reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.data.lazy import np
from components.errors import RootstockError
from components.labels.base import labels_of
from models.tasks.base import Task, TaskTarget

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_STEPS, MOST_STEPS = 40, 120
"""Limits of the number of steps that is chosen."""


def has_classes(task: Task) -> bool:
    """Whether each row has one class of the task, so that two rows can have the same one."""
    return labels_of(task).class_codes(np.zeros(0, np.int32)) is not None


@dataclass(frozen=True)
class Pairing:
    """The classes of rows, by task.

    tasks: those with pairs. classes: int64 [tasks, rows], -1 without a label. left_out: by name,
        why a task has no pairs.
    """

    tasks: tuple[TaskTarget, ...]
    classes: NDArray[np.int64]
    left_out: Mapping[str, str]

    @classmethod
    def of(cls, targets: Sequence[TaskTarget], labels: Mapping[str, np.ndarray]) -> Pairing:
        """labels: encoded, by task.

        Raises:
            RootstockError: no task has pairs.
        """
        tasks, classes, left_out = [], [], dict[str, str]()
        for target in targets:
            codes = labels_of(target.task).class_codes(labels[target.name])
            if codes is None:
                left_out[target.name] = f"a row of a {target.task.kind} task has not one class"
            elif len(np.unique(codes[codes >= 0])) < 2:
                left_out[target.name] = "its training rows have one class only"
            else:
                tasks.append(target)
                classes.append(codes)
        if not tasks:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            raise RootstockError(
                "model.transfer: setfit trains on pairs of rows of the same class and of different"
                " classes. Expected a binary or multiclass task with training rows of two classes."
                f" Received: {reasons}. Choose another mode, such as fine_tune."
            )
        return cls(tuple(tasks), np.stack(classes), left_out)

    def steps(self) -> int:
        """A number of steps for so many labelled rows."""
        labelled = int((self.classes >= 0).any(axis=0).sum())
        return min(max(labelled, FEWEST_STEPS), MOST_STEPS)

    def rows_of(self, step: int, count: int, seed: int) -> NDArray[np.int64]:
        """Indices of at most `count` rows, all different. Tasks take turns; classes of the task of
        the step have equally many rows where they have enough, and at least two.
        """
        classes, rng = self.classes[step % len(self.classes)], np.random.default_rng((seed, step))
        order = rng.permutation(len(classes))
        order = order[classes[order] >= 0]
        present = rng.permutation(np.unique(classes[order]))[: count // 2]
        members = [order[classes[order] == c] for c in present]
        turns = np.concatenate([np.arange(len(m)) for m in members])
        taken = np.argsort(turns, kind="stable")[:count]
        return np.sort(np.concatenate(members)[taken])
