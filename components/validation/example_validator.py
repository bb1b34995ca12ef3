"""ExampleValidator: whether the examples fit the schema, the inputs and the tasks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.artifacts import UNLABELLED, Anomalies, Examples, Schema, Statistics
from components.stage import Context, Stage
from components.statistics.column_statistics import labelled, load_statistics
from components.validation.anomalies import save_anomalies
from components.validation.schema import load_schema
from models.inputs.base import Input
from models.tasks.base import Task

if TYPE_CHECKING:
    from components.validation.drift_and_skew import Shift


@dataclass(frozen=True)
class ExampleValidatorInputs:
    """previous: of an earlier span. serving: of requests to a served model. examples: what the
    statistics describe; without them no column is examined for giving a label away.
    """

    statistics: Statistics
    schema: Schema
    previous: Statistics | None = None
    serving: Statistics | None = None
    examples: Examples | None = None


@dataclass(frozen=True)
class ExampleValidatorOutputs:
    anomalies: Anomalies


@dataclass(frozen=True, kw_only=True)
class ExampleValidator(Stage[ExampleValidatorInputs, ExampleValidatorOutputs]):
    """Publishes the problems that it finds. It does not raise: the caller decides what to do.

    max_shift: threshold of drift and skew for columns without one in the schema.
    weight: the evaluation's column of row weights.
    """

    inputs: tuple[Input, ...]
    tasks: tuple[Task, ...]
    max_shift: float = 0.1
    weight: str | None = None

    def run(self, inputs: ExampleValidatorInputs, context: Context) -> ExampleValidatorOutputs:
        from components.validation.drift_and_skew import shift_findings
        from components.validation.giveaways import giveaway_findings
        from components.validation.input_checks import input_findings
        from components.validation.schema_checks import schema_findings
        from components.validation.task_checks import task_findings, weight_findings
        from components.validation.unlabelled_checks import unlabelled_findings

        every, schema = load_statistics(inputs.statistics), load_schema(inputs.schema)
        splits = labelled(every)
        others: Mapping[Shift, Statistics | None] = {
            "drift": inputs.previous,
            "skew": inputs.serving,
        }
        findings = list(schema_findings(splits, schema))
        for shift, other in others.items():
            if other is not None:
                train, reference = splits["train"], load_statistics(other)["train"]
                findings += shift_findings(shift, train, reference, schema, self.max_shift)
        for spec in self.inputs:
            findings += input_findings(spec, splits)
        for task in self.tasks:
            findings += task_findings(task, splits)
        if (texts := every.get(UNLABELLED)) is not None:
            findings += unlabelled_findings(texts, self.inputs, self.tasks, schema)
        if self.weight is not None:
            findings += weight_findings(self.weight, splits)
        if inputs.examples is not None and not any(f.severity == "ERROR" for f in findings):
            findings += giveaway_findings(self.inputs, self.tasks, inputs.examples)
        directory = context.output / "anomalies"
        directory.mkdir()
        save_anomalies(findings, directory)
        for severity in ("ERROR", "WARNING"):
            count = sum(f.severity == severity for f in findings)
            context.observer.figure(f"{severity.lower()}s", count)
        return ExampleValidatorOutputs(Anomalies(directory))
