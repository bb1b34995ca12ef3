"""ExampleValidator: where the examples depart from the schema or do not serve the tasks."""

from __future__ import annotations

from dataclasses import dataclass

from components.artifacts import Anomalies, Schema, Statistics
from components.stage import Context, Stage
from models.inputs import Input
from models.task import Task


@dataclass(frozen=True)
class ExampleValidatorInputs:
    statistics: Statistics
    schema: Schema


@dataclass(frozen=True)
class ExampleValidatorOutputs:
    anomalies: Anomalies


@dataclass(frozen=True, kw_only=True)
class ExampleValidator(Stage[ExampleValidatorInputs, ExampleValidatorOutputs]):
    """Publishes what it finds and raises nothing: whoever runs it decides."""

    inputs: tuple[Input, ...]
    tasks: tuple[Task, ...]

    def run(self, inputs: ExampleValidatorInputs, context: Context) -> ExampleValidatorOutputs:
        raise NotImplementedError
