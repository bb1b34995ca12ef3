"""Tasks: what a model predicts. A task names its label column; its kind decides the rest.

A kind is a class here (`models/tasks/<kind>.py`: what a spec says of it), a head
(`models/tasks/heads/<kind>.py`: loss and epoch metrics), labels (`components/labels/<kind>.py`:
encoding, checks, counts, baselines) and metrics (`components/evaluation/metrics/<kind>.py`).

A model trains on encoded labels: one array per task, with one row per example. A missing label is
NaN in a float array, and -1 in an integer array. A row without a task's label adds nothing to that
task's loss or metrics.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from models.calibration.base import Calibration
from models.config import STRICT
from models.discovery import choice, methods

Focal = Annotated[float, Field(ge=0)]
"""Gamma of the focal loss (Lin et al. 2017, arXiv:1708.02002, equation 4): rows that are predicted
well count less, by the factor (1 - p)**gamma; 0 is the cross-entropy."""
LabelSmoothing = Annotated[float, Field(ge=0, lt=1)]
"""Share of a label that is spread evenly over all classes (Szegedy et al. 2016, arXiv:1512.00567,
section 7)."""
DECISION = 0.5
"""Probabilities above it count as yes."""
DecisionMetric = Literal["f1", "accuracy", "balanced_accuracy"]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What wrong answers cost; right ones cost nothing. Only the ratio of the two matters."""

    __pydantic_config__ = STRICT
    false_positive: Annotated[float, Field(gt=0)] = 1.0
    false_negative: Annotated[float, Field(gt=0)] = 1.0

    @property
    def decision(self) -> float:
        """The probability above which yes costs less than no, in expectation (Elkan 2001, The
        foundations of cost-sensitive learning, equation 2).
        """
        return self.false_positive / (self.false_positive + self.false_negative)


Decision = Annotated[float, Field(ge=0, le=1)] | DecisionMetric | Costs
"""A probability above which an answer counts as yes, the metric by which it is chosen, or the costs
from which it follows."""
REGIONS = ("lower", "upper", "set")
"""What a model may say of where the right label is: see `Head.region`."""
Coverage = Annotated[float, Field(gt=0, lt=1)]
"""Share of rows whose label is to be in the interval or the set that a model answers."""
if TYPE_CHECKING:
    Calibrating = str
else:
    Calibrating = Literal[("auto", *methods("models.calibration", Calibration))]
"""How probabilities are calibrated: the name of a method, or `auto` to choose one."""


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One task of a model. As the type of a spec field, it stands for any of its kinds.

    kind: names the kind: a literal, and the name of the kind's modules.
    name: of the task's head, its output and its serving signature.
    label: the label column. weight: of the task's loss, relative to other tasks.
    """

    __pydantic_config__ = STRICT
    kind: str
    name: str = ""
    label: str
    weight: Annotated[float, Field(gt=0)] = 1.0
    answer: ClassVar[Literal["number", "list"]]
    """What a model answers for a row: one number, or a list with one number per class."""
    serving_method: ClassVar[Literal["classify", "regress"]]
    """The call of TensorFlow Serving, besides Predict, that answers the task."""

    several: ClassVar[bool] = False
    """Whether several classes can apply to a row."""

    @property
    @abstractmethod
    def has_squared_error(self) -> bool:
        """Whether the loss is a squared error: uncertainty weighting halves those."""

    @property
    def decides_by(self) -> Decision:
        """Above which probability the answer is yes; 0.5 for kinds that decide otherwise."""
        return DECISION

    @property
    def stated_decision(self) -> float:
        """The decision that follows from the spec alone; 0.5 where rows are to choose it."""
        wanted = self.decides_by
        if isinstance(wanted, Costs):
            return wanted.decision
        return DECISION if isinstance(wanted, str) else wanted

    @property
    def covers(self) -> float | None:
        """The coverage of intervals or sets that is asked for."""
        return None

    @property
    def calibrates_by(self) -> Calibrating:
        """The method that calibrates probabilities, or `auto`; none for kinds that have none."""
        return "none"

    @property
    def chooses_on_unseen_rows(self) -> bool:
        """Whether something is chosen after training, on rows that the model has not seen."""
        decides = isinstance(self.decides_by, str | Costs)
        return decides or self.calibrates_by != "none" or self.covers is not None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic reads `Task` as the union of all kinds, and a kind as itself."""
        return handler(choice("models.tasks", Task, "kind") if inspect.isabstract(cls) else source)


@dataclass(frozen=True, kw_only=True)
class TaskTarget:
    """A task together with what the training labels say about it.

    classes: in index order; ("negative", "positive") for binary tasks, empty for numbers.
    class_counts: labelled training rows per class (positives per class for multilabel), aligned
        with `classes`; empty for numbers.
    labelled: training rows that carry the label.
    decision: probabilities above it count as yes, where the kind has a decision.
    mean, deviation: by which a regression label is standardised, from the training split: see
        `RegressionTask`; 0 and 1 otherwise.
    """

    task: Task
    classes: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    labelled: int = 0
    mean: float = 0.0
    deviation: float = 1.0
    decision: float = DECISION

    @property
    def name(self) -> str:
        """The task's name: also the name of its head, its output and its serving signature."""
        return self.task.name
