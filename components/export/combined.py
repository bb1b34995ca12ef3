"""What is chosen for several models that answer as one: calibrations, decisions, intervals.

Each may be calibrated, and their mean is less sure than they are. Importing this module imports
TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.artifacts import Examples
from components.calibration.calibrating import choose_calibrations
from components.calibration.conformal import choose_radii
from components.calibration.decisions import choose_decisions
from components.calibration.unseen import Unseen
from components.data.raw import raw_inputs
from components.data.row_keys import group_codes
from components.export.keras_model import KerasModel
from components.labels.encoding import encode_split
from components.stage import Observer
from models.multitask.answering import Answering
from models.tasks.base import TaskTarget
from models.tasks.heads.head import head_for

BATCH_ROWS = 256


@dataclass(frozen=True)
class Combined:
    """Models of the same tasks and raw inputs, and the share of each."""

    served: Sequence[KerasModel]
    shares: Sequence[float]

    def means(self, raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Float32 [rows, width] by task: the weighted mean of the answers."""
        parts, shares = [model(raw) for model in self.served], self.shares
        means = {
            task: np.average([p[task].numpy() for p in parts], axis=0, weights=shares)
            for task in parts[0]
        }
        return {task: values.astype(np.float32) for task, values in means.items()}

    def answering(self, examples: Examples, key: Sequence[str], observer: Observer) -> Answering:
        """How the mean is served. What the tasks choose on unseen rows is chosen on its own answers
        to validation rows; other thresholds are the mean of the members'.

        key: columns of which equal values make rows a group.
        """
        targets = [self._mean_decision(i) for i in range(len(self.served[0].record.targets))]
        first = Answering([head_for(t) for t in targets])
        choosing = [t for t in targets if t.task.chooses_on_unseen_rows]
        if not choosing or not examples.num_rows("val"):
            return first
        unseen = self._unseen(choosing, examples, key)
        heads = [head_for(t) for t in choosing]
        chosen = choose_calibrations(Answering(heads), unseen, observer)
        calibrations = {t: c.calibration for t, c in chosen.items() if c.changes}
        some = Answering(heads, calibrations)
        radii = choose_radii(some, unseen, observer)
        decisions = choose_decisions(some, unseen, observer)
        for task, calibration in chosen.items():
            observer.figure(f"{task} calibration", str(calibration))
        for task, decision in decisions.items():
            observer.figure(f"{task} decision", round(decision, 4))
        decided = [replace(t, decision=decisions.get(t.name, t.decision)) for t in targets]
        return Answering([head_for(t) for t in decided], calibrations, radii)

    def _mean_decision(self, index: int) -> TaskTarget:
        decisions = [model.record.targets[index].decision for model in self.served]
        decision = float(np.average(decisions, weights=self.shares))
        return replace(self.served[0].record.targets[index], decision=decision)

    def _unseen(
        self, targets: Sequence[TaskTarget], examples: Examples, key: Sequence[str]
    ) -> dict[str, Unseen]:
        rows = examples.num_rows("val")
        raw = raw_inputs(examples.read("val"), self.served[0].record.features)
        parts = [
            self.means({n: v[i : i + BATCH_ROWS] for n, v in raw.items()})
            for i in range(0, rows, BATCH_ROWS)
        ]
        groups = group_codes(examples.read("val", list(key)), key) if key else None
        labels = encode_split(tuple(targets), examples, "val")
        return {
            t.name: Unseen.of(labels[t.name], self._raw(t, [p[t.name] for p in parts]), groups)
            for t in targets
        }

    def _raw(self, target: TaskTarget, means: Sequence[np.ndarray]) -> np.ndarray:
        return np.asarray(head_for(target).raw(np.concatenate(means)))
