"""Multilabel tasks: any number of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.tasks.base import DECISION, Calibrating, Decision, Focal, LabelSmoothing, Task
from models.values import Texts, Weights


@final
@dataclass(frozen=True, kw_only=True)
class MultilabelTask(Task):
    """Any number of labels per row. The column holds lists, or text that is split at `separator`;
    an empty list means that no label applies. Encoded label: float32 [batch, classes]: 1.0, 0.0, or
    a row of NaN for missing.

    classes: in index order; if empty, the labels of the training split, sorted.
    class_weight: "balanced", or a weight per label (default 1) for the rows that have it.
    focal: gamma of the focal loss (Lin et al. 2017, arXiv:1708.02002), such as 2: rows that are
        predicted well count less. Probabilities are then less certain than the data.
    decision: the probability above which a label applies: a number; `f1`, `accuracy` or
        `balanced_accuracy` to choose the one with the best metric on rows that the model has not
        seen; or costs, such as `{false_positive: 5, false_negative: 1}`, for the one that costs
        least if probabilities are right. Served probabilities do not change.
    label_smoothing: share of a label that is spread evenly over yes and no (Szegedy et al. 2016,
        arXiv:1512.00567, section 7), such as 0.1.
    calibration: `temperature`, `platt` or `isotonic`: how probabilities are changed to be right as
        often as they say, on validation rows; `auto` chooses one, or none, by cross-validated log
        loss.
    """

    kind: Literal["multilabel"] = "multilabel"
    classes: Texts = ()
    separator: str = ","
    class_weight: Literal["balanced"] | Weights | None = None
    focal: Focal = 0.0
    label_smoothing: LabelSmoothing = 0.0
    calibration: Calibrating = "none"
    decision: Decision = DECISION
    answer = "list"
    several = True
    serving_method = "classify"
    has_squared_error = False

    @property
    def decides_by(self) -> Decision:
        return self.decision

    @property
    def calibrates_by(self) -> Calibrating:
        return self.calibration
