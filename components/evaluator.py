"""Evaluator: what the served model is worth on held-out examples, and whether that is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from components.artifacts import Blessing, Evaluation, Examples, TrainedModel
from components.stage import Context, Stage
from models.inputs import STRICT
from models.task import Task


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What a task's metric must reach: at least `min`, at most `max`."""

    __pydantic_config__ = STRICT
    task: str
    metric: str
    min: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class EvaluatorInputs:
    """model: judged as it will be served. examples: raw, with their labels."""

    model: TrainedModel
    examples: Examples


@dataclass(frozen=True)
class EvaluatorOutputs:
    """evaluation: the metrics. blessing: whether every threshold is met."""

    evaluation: Evaluation
    blessing: Blessing


@dataclass(frozen=True, kw_only=True)
class Evaluator(Stage[EvaluatorInputs, EvaluatorOutputs]):
    """Answers the test split with the exported model and measures each task on its labelled rows."""

    tasks: tuple[Task, ...]
    thresholds: tuple[Threshold, ...] = ()
    batch_size: Annotated[int, Field(ge=1)] = 256

    def run(self, inputs: EvaluatorInputs, context: Context) -> EvaluatorOutputs:
        """See `Stage.run`."""
        raise NotImplementedError
