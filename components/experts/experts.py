"""Experts: fits classical models, whose margins the Trainer reads as inputs."""

from __future__ import annotations

from dataclasses import dataclass

from components.artifacts import Batches, Examples, ExpertModels, Preprocessing
from components.experts.fitting import ExpertRows, FittedExperts, Wanted, fit_experts, margins_of
from components.stage import Context, Stage
from components.training.recipe import TrainerInputs
from components.training.subset import Subset
from components.transform.batches import write_shard
from models.experts.margins import MARGINS, Margins
from models.tasks.base import Task


@dataclass(frozen=True)
class ExpertsInputs:
    """batches: the preprocessed features of `examples`. embeddings: of a frozen trunk."""

    examples: Examples
    preprocessing: Preprocessing
    batches: Batches
    embeddings: Batches | None = None


@dataclass(frozen=True)
class ExpertsOutputs:
    experts: ExpertModels


@dataclass(frozen=True, kw_only=True)
class Experts(Stage[ExpertsInputs, ExpertsOutputs]):
    """Fits experts to the rows that the Trainer will see, out of fold.

    kinds: which; "auto" is all that the features and the rows allow.
    subset: of the training rows: that of the Trainer. key: columns that make rows a group.
    """

    tasks: tuple[Task, ...]
    kinds: Wanted = "auto"
    subset: Subset | None = None
    key: tuple[str, ...] = ()
    seed: int = 0

    def run(self, inputs: ExpertsInputs, context: Context) -> ExpertsOutputs:
        """Fit and write the experts.

        Raises:
            RootstockError: a task has no labels, or the library of an expert is missing.
        """
        from components.training.rows import load_training_data

        data_inputs = TrainerInputs(inputs.examples, inputs.preprocessing, inputs.batches)
        features, data = load_training_data(data_inputs, self.tasks, self.subset)
        rows = ExpertRows(inputs.examples, features, inputs.batches, inputs.embeddings, self.key)
        fitted = fit_experts(
            self.kinds,
            rows,
            data.rows,
            data.targets,
            data.train.labels,
            self.seed,
            context.observer,
        )
        for name, value in fitted.figures.items():
            context.observer.figure(name, value)
        return ExpertsOutputs(_save(fitted, rows, ExpertModels(context.output / "experts")))


def _save(fitted: FittedExperts, rows: ExpertRows, made: ExpertModels) -> ExpertModels:
    from models.experts.layers.panel import save_arrays
    from models.experts.record import save_experts

    made.path.mkdir()
    save_experts(fitted.experts, made.path)
    if fitted.out_of_fold is None:
        return made
    save_arrays(fitted.arrays, made.path)
    columns = {"train": fitted.out_of_fold}
    if rows.examples.num_rows("val"):
        columns["val"] = margins_of(fitted, rows, "val")
    width = fitted.out_of_fold.shape[1]
    for split, margins in columns.items():
        directory = made.margins.path / split
        directory.mkdir(parents=True)
        write_shard(directory / "part-00000.arrow", {MARGINS: margins}, (Margins(width=width),))
    return made
