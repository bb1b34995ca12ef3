"""Ensembler: one SavedModel of several trained models, which answers with the mean of theirs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

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

    What a task chooses on rows that no model has seen (calibration, decision, interval) is chosen
    anew for the mean, on its answers to validation rows.

    shares: the weight of each model; their sum is 1. weights: see `Export`. key: columns of which
        equal values make rows a group.
    """

    shares: tuple[float, ...]
    key: tuple[str, ...] = ()
    weights: Weights = "float32"

    def uses(self, inputs: EnsemblerInputs) -> tuple[object, ...]:
        return tuple(spec for model in inputs.models for spec in specs_of(model.path))

    def run(self, inputs: EnsemblerInputs, context: Context) -> EnsemblerOutputs:
        """Write the SavedModel. The record beside it is that of the first model, with what was
        chosen for the mean, and without weights: an ensemble has no single trunk.

        Raises:
            RootstockError: the models have different tasks, classes or inputs.
        """
        from components.data.raw import raw_inputs
        from components.export.combined import Combined
        from components.export.expected_outputs import first_rows, write_expected
        from components.export.keras_model import load_keras
        from components.export.saved_model import named, write_ensemble

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
        combined = Combined(served, self.shares)
        answering = combined.answering(inputs.examples, self.key, context.observer)
        targets = [head.target for head in answering.heads]
        record = json.loads((inputs.models[0].path / RECORD).read_text())
        for written, target in zip(record["targets"], targets, strict=True):
            written["decision"] = target.decision
        record["calibrations"] = {t: asdict(c) for t, c in answering.calibrations.items()}
        record["radii"] = dict(answering.radii)
        (made.path / RECORD).write_text(json.dumps(record, indent=1))
        raw = raw_inputs(first_rows(inputs.examples, first.features), first.features)
        details = answering.of_answers(combined.means(raw))
        found = {n: np.asarray(v) for n, v in named(details, targets).items()}
        answers = {t.name: found.pop(t.name) for t in targets}
        write_expected(made.expected, raw, answers, found)
        form = Export(weights=self.weights)
        write_ensemble(served, self.shares, answering, raw, made.saved_model, form)
        context.observer.figure("models", len(served))
        context.observer.figure("size_mb", made.size_mb())
        return EnsemblerOutputs(made)
