"""Trainer: batches and labels in, a trained multitask model out."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.artifacts import Batches, Examples, Preprocessing, SourceFiles, TrainedModel
from components.stage import Context, Stage
from components.training.settings import Training
from components.training.subset import chosen
from components.training.trained_model import ModelRecord
from components.transform.preprocessing_file import load_preprocessing
from models.balancing.base import Balancing
from models.balancing.loss_based.equal import Equal
from models.inputs.base import Stored
from models.sharing.base import Sharing
from models.sharing.hard import Hard
from models.tasks.base import Task
from models.transfer.base import Transfer
from models.trunks.base import Trunk
from models.trunks.scratch import Scratch


@dataclass(frozen=True)
class TrainerInputs:
    """examples: for the labels. batches: their preprocessed features, row by row the same.

    pretrained: the files that the trunk starts from, so that their content counts.
    embeddings: what a frozen trunk makes of `batches`, row by row, where it is computed before.
    """

    examples: Examples
    preprocessing: Preprocessing
    batches: Batches
    pretrained: tuple[SourceFiles, ...] = ()
    embeddings: Batches | None = None


@dataclass(frozen=True)
class TrainerOutputs:
    """model: ready to serve and to rebuild."""

    model: TrainedModel


@dataclass(frozen=True)
class Trainer(Stage[TrainerInputs, TrainerOutputs]):
    """Trains one model for all tasks. Same inputs, parameters and machine: same model.

    Trained on a GPU or with `mixed_precision`, it is served in float32 all the same.

    transfer: how pretrained weights adapt; when absent, all weights train alike, as from scratch.
    """

    tasks: tuple[Task, ...]
    trunk: Trunk = field(default_factory=Scratch)
    sharing: Sharing = field(default_factory=Hard)
    balancing: Balancing = field(default_factory=Equal)
    transfer: Transfer | None = None
    training: Training = field(default_factory=Training)
    seed: int = 0

    def uses(self, inputs: TrainerInputs) -> tuple[object, ...]:
        return self.trunk.made_of()

    def run(self, inputs: TrainerInputs, context: Context) -> TrainerOutputs:
        """See `Stage.run`. A run that was killed goes on from its last checkpoint.

        Raises:
            RootstockError: a task has no labels, early stopping names no figure, training diverges.
        """
        from components.training import fit
        from components.training.dataset import load_splits
        from components.transform.batches import stored_representation

        features = load_preprocessing(inputs.preprocessing)
        stored: tuple[Stored, ...] = features
        given = inputs.batches
        if inputs.embeddings is not None:
            given, stored = inputs.embeddings, (stored_representation(inputs.embeddings),)
        splits = load_splits(inputs.examples, given, stored, self.tasks)
        if self.training.subset is not None:
            splits = splits.only(chosen(self.training.subset, splits.train.labels, splits.targets))
        record = ModelRecord(
            features=features,
            targets=splits.targets,
            trunk=self.trunk,
            sharing=self.sharing,
            balancing=self.balancing,
        )
        result = fit.train(record, splits, self.transfer, self.training, self.seed, context)
        figures = fit.save(result, record, inputs.examples, context.output / "model")
        for name, value in figures.items():
            context.observer.figure(name, value)
        return TrainerOutputs(TrainedModel(context.output / "model"))
