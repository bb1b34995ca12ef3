"""Trainer: batches and labels in, the weights of a trained multitask model out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import TypeAdapter

from components.artifacts import TrainedModel
from components.data.links import link_or_copy
from components.stage import Context, Stage
from components.training.recipe import Recipe, TrainerInputs
from components.training.settings import ChosenTraining
from models.experts.record import read_experts
from models.model_files import EXPERTS
from models.multitask.record import ModelRecord, save_record

if TYPE_CHECKING:
    from components.training.fit import TrainingResult


@dataclass(frozen=True)
class TrainerOutputs:
    model: TrainedModel


@dataclass(frozen=True)
class Trainer(Recipe, Stage[TrainerInputs, TrainerOutputs]):
    """Trains one model for all tasks. Same inputs, parameters and machine: same model.

    key: columns of which equal values make rows a group: calibration and `coverage` respect them.

    A model that is trained on a GPU or with `mixed_precision` is saved and served in float32.
    """

    on_all_workers: ClassVar[bool] = True
    key: tuple[str, ...] = ()

    @classmethod
    def of(cls, recipe: Recipe, key: tuple[str, ...] = ()) -> Trainer:
        """The Trainer of this recipe."""
        return cls(**{f.name: getattr(recipe, f.name) for f in fields(Recipe)}, key=key)

    def uses(self, inputs: TrainerInputs) -> tuple[object, ...]:
        experts = inputs.experts
        return (*self.trunk.made_of(), *(read_experts(experts.path) if experts else ()))

    def run(self, inputs: TrainerInputs, context: Context) -> TrainerOutputs:
        """Train, or resume from the last checkpoint of a run that was killed.

        Raises:
            RootstockError: a task has no labels, early stopping monitors a metric that the model
                does not have, or training diverges.
        """
        from components.training import fit
        from components.training.distillation import distilled
        from components.training.rows import load_training_data

        subset = self.training.subset
        features, data = load_training_data(inputs, self.tasks, subset, self.trunk, self.key)
        experts = inputs.experts
        models, adapted = read_experts(experts.path) if experts else (), inputs.adapted
        record = self.record(features, data.targets, models, adapted)
        if (teacher := inputs.teacher) is not None:
            data = distilled(data, teacher.load(), self.seed)
            context.observer.figure("rows labelled by the teacher", data.drawn)
        how = self.transfer, self.training, self.seed
        result = fit.train(record, data, *how, context, self.last_word)
        record = replace(
            record,
            targets=result.decided(record.targets),
            calibrations=dict(result.model.calibrations),
            radii=dict(result.model.radii),
        )
        model = TrainedModel(context.output / "model")
        if experts and record.experts:
            model.path.mkdir(parents=True)
            link_or_copy(str(experts.path / EXPERTS), str(model.path / EXPERTS))
        done = {"pretraining": adapted.record()} if adapted else {}
        for name, value in _save(result, record, model.path, done).items():
            context.observer.figure(name, value)
        return TrainerOutputs(model)


def _save(
    result: TrainingResult, record: ModelRecord, directory: Path, before: Mapping[str, object]
) -> dict[str, float | int | str]:
    """Write the artifact (see `components.artifacts.TrainedModel`) and return the main figures.

    before: what happened to the trunk in other stages, for the history.
    """
    from components.training.checkpoint import TIMES
    from models.analysis.flops import flops_per_example
    from models.multitask.build import save_weights

    flops = flops_per_example(result.model, record.features)
    directory.mkdir(parents=True, exist_ok=True)
    save_record(record, directory)
    save_weights(result.model, directory)
    history = {
        # without times, which are figures of the stage: equal models have one digest
        "epochs": [{n: v for n, v in e.items() if n not in TIMES} for e in result.history],
        "best_epoch": result.best_epoch,
        "kept_epoch": result.kept_epoch,
        "parameters": int(result.model.count_params()),
        "trainable_parameters": result.trainable_parameters,
        "steps_per_epoch": result.steps_per_epoch,
        "training": TypeAdapter(ChosenTraining).dump_python(result.training, mode="json"),
        "flops_per_example": flops,
        **({"last_word": result.last_word} if result.last_word else {}),
        **({"pairs": asdict(result.pairs)} if result.pairs else {}),
        **before,
    }
    (directory / "history.json").write_text(json.dumps(history, indent=1))
    return result.figures() | ({} if flops is None else {"flops_per_example": flops})
