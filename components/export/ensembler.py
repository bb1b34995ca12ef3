"""Ensembler: one SavedModel of several trained models, which answers with the mean of theirs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from components.artifacts import Examples, ExportedModel, TrainedModel
from components.data.lazy import np
from components.errors import RootstockError
from components.export.settings import Export, Weights
from components.stage import Context, Stage
from models.model_files import RECORD
from models.multitask.build import specs_of


@dataclass(frozen=True)
class EnsemblerInputs:
    """models: of the same tasks and raw inputs. examples: see `ExporterInputs`."""

    models: tuple[TrainedModel, ...]
    examples: Examples


@dataclass(frozen=True)
class EnsemblerOutputs:
    model: ExportedModel


@dataclass(frozen=True, kw_only=True)
class Ensembler(Stage[EnsemblerInputs, EnsemblerOutputs]):
    """Exports models that answer as one: with the weighted mean of their probabilities or numbers.

    shares: the weight of each model; their sum is 1. weights: see `Export`.
    """

    shares: tuple[float, ...]
    weights: Weights = "float32"

    def uses(self, inputs: EnsemblerInputs) -> tuple[object, ...]:
        return tuple(spec for model in inputs.models for spec in specs_of(model.path))

    def run(self, inputs: EnsemblerInputs, context: Context) -> EnsemblerOutputs:
        """Write the SavedModel. The record beside it is that of the first model, with the mean of
        the decision thresholds, and without weights: an ensemble has no single trunk.

        Raises:
            RootstockError: the models have different tasks, classes or inputs.
        """
        from components.data.raw import raw_inputs
        from components.export.expected_outputs import first_rows, write_expected
        from components.export.keras_model import load_keras
        from components.export.saved_model import decided, write_ensemble

        served = [load_keras(model) for model in inputs.models]
        first = served[0].record
        for other in (s.record for s in served[1:]):
            names = [[(f.name, f.raw_dtype) for f in r.features] for r in (first, other)]
            same = [[replace(t, decision=0.5) for t in r.targets] for r in (first, other)]
            if sorted(names[0]) != sorted(names[1]) or same[0] != same[1]:
                raise RootstockError(
                    "ensemble: expected members with the same inputs, tasks and classes. Received"
                    f" {[t.name for t in first.targets]} of {names[0]}, and"
                    f" {[t.name for t in other.targets]} of {names[1]}."
                )
        made = ExportedModel(context.output / "model")
        made.path.mkdir()
        record = json.loads((inputs.models[0].path / RECORD).read_text())
        targets = []
        for i, target in enumerate(first.targets):
            decisions = [model.record.targets[i].decision for model in served]
            decision = float(np.average(decisions, weights=self.shares))
            targets.append(replace(target, decision=decision))
            record["targets"][i]["decision"] = decision
            if target.task.covers is not None:
                context.observer.warn(
                    f"tasks.{target.name}.coverage: the intervals and sets of members do not hold"
                    " for their mean, so an ensemble has none."
                )
        record["calibrations"], record["radii"] = {}, {}
        (made.path / RECORD).write_text(json.dumps(record, indent=1))
        raw = raw_inputs(first_rows(inputs.examples, first.features), first.features)
        parts = [model(raw) for model in served]
        answers = {
            t.name: np.average([p[t.name].numpy() for p in parts], axis=0, weights=self.shares)
            for t in first.targets
        }
        found = {n: np.asarray(v) for n, v in decided(answers, targets).items()}
        details = {name: values for name, values in found.items() if name not in answers}
        write_expected(made.expected, raw, answers, details)
        form = Export(weights=self.weights)
        write_ensemble(served, self.shares, targets, raw, made.saved_model, form)
        context.observer.figure("models", len(served))
        context.observer.figure("size_mb", made.size_mb())
        return EnsemblerOutputs(made)
