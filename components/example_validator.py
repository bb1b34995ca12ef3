"""ExampleValidator: where the examples depart from the schema or do not serve the tasks."""

from __future__ import annotations

from dataclasses import dataclass

from components.anomalies import save_anomalies
from components.artifacts import Anomalies, Schema, Statistics
from components.schema import load_schema
from components.stage import Context, Stage
from components.statistics import load_statistics
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
        from components.schema_checks import schema_findings
        from components.task_checks import input_findings, task_findings

        splits = load_statistics(inputs.statistics)
        findings = [
            *schema_findings(splits, load_schema(inputs.schema)),
            *(f for given in self.inputs for f in input_findings(given, splits)),
            *(f for task in self.tasks for f in task_findings(task, splits)),
        ]
        directory = context.output / "anomalies"
        directory.mkdir()
        save_anomalies(findings, directory)
        for severity in ("ERROR", "WARNING"):
            count = sum(f.severity == severity for f in findings)
            context.observer.figure(f"{severity.lower()}s", count)
        return ExampleValidatorOutputs(Anomalies(directory))
