"""Multiclass tasks: one of several classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, final

from models.tasks.base import Calibrating, Coverage, Focal, LabelSmoothing, Task
from models.values import Renaming, Texts, Weights


@final
@dataclass(frozen=True, kw_only=True)
class MulticlassTask(Task):
    """One of several classes. Encoded label: int32 [batch]: the class index, or -1 for missing.

    classes: in index order; if empty, the values of the training split, sorted.
    map: from label value to class, to derive classes from another column, such as `{"8": two}`. A
        value that is not in the map is an error.
    class_weight: "balanced", or a weight per class (default 1).
    focal: gamma of the focal loss (Lin et al. 2017, arXiv:1708.02002), such as 2: rows that are
        predicted well count less. Probabilities are then less certain than the data.
    label_smoothing: share of a label that is spread evenly over all classes (Szegedy et al. 2016,
        arXiv:1512.00567, section 7), such as 0.1.
    calibration: `temperature`, `platt` or `isotonic`: how probabilities are changed to be right as
        often as they say, on validation rows; `auto` chooses one, or none, by cross-validated log
        loss.
    coverage: also answer with a set of classes that has the right one in so many rows, such as 0.9:
        see `components.calibration.conformal`.
    """

    kind: Literal["multiclass"] = "multiclass"
    classes: Texts = ()
    map: Renaming = field(default_factory=dict)
    class_weight: Literal["balanced"] | Weights | None = None
    focal: Focal = 0.0
    label_smoothing: LabelSmoothing = 0.0
    calibration: Calibrating = "none"
    coverage: Coverage | None = None
    answer = "list"
    serving_method = "classify"
    has_squared_error = False

    @property
    def calibrates_by(self) -> Calibrating:
        return self.calibration

    @property
    def covers(self) -> float | None:
        return self.coverage
