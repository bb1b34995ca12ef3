"""Binary tasks: yes or no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from models.tasks.base import DECISION, Calibrating, Coverage, Decision, Focal, LabelSmoothing, Task
from models.values import Texts, Weights


@final
@dataclass(frozen=True, kw_only=True)
class BinaryTask(Task):
    """Yes or no. Encoded label: float32 [batch]: 1.0, 0.0, or NaN for missing.

    positive: label values that mean yes; any other value means no.
    class_weight: "balanced", or weights for "negative" and "positive".
    focal: gamma of the focal loss (Lin et al. 2017, arXiv:1708.02002), such as 2: rows that are
        predicted well count less. Probabilities are then less certain than the data.
    decision: the probability above which the answer is yes: a number; `f1`, `accuracy` or
        `balanced_accuracy` to choose the one with the best metric on rows that the model has not
        seen; or costs, such as `{false_positive: 5, false_negative: 1}`, for the one that costs
        least if probabilities are right. Served probabilities do not change.
    label_smoothing: share of a label that is spread evenly over all classes (Szegedy et al. 2016,
        arXiv:1512.00567, section 7), such as 0.1.
    calibration: `temperature`, `platt` or `isotonic`: how probabilities are changed to be right as
        often as they say, on validation rows; `auto` chooses one, or none, by cross-validated log
        loss.
    coverage: also answer with a set of classes that has the right one in so many rows, such as 0.9:
        see `components.calibration.conformal`.
    """

    kind: Literal["binary"] = "binary"
    positive: Texts = ("1", "true")
    class_weight: Literal["balanced"] | Weights | None = None
    focal: Focal = 0.0
    label_smoothing: LabelSmoothing = 0.0
    calibration: Calibrating = "none"
    coverage: Coverage | None = None
    decision: Decision = DECISION
    answer = "number"
    serving_method = "classify"
    has_squared_error = False

    @property
    def decides_by(self) -> Decision:
        return self.decision

    @property
    def calibrates_by(self) -> Calibrating:
        return self.calibration

    @property
    def covers(self) -> float | None:
        return self.coverage
