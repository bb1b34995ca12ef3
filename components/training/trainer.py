"""Trainer: batches and labels in, a trained multitask model out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from components.artifacts import Batches, Examples, Preprocessing, SourceFiles, TrainedModel
from components.stage import Context, Stage
from components.training.sampling import AnySampling, Proportional
from components.training.subset import Subset, chosen
from components.training.trained_model import ModelRecord
from components.transform.preprocessing_file import load_preprocessing
from models.balancing.base import Balancing
from models.balancing.loss_based.equal import Equal
from models.inputs.augment import Augment
from models.inputs.features import Stored
from models.inputs.spec import STRICT
from models.sharing.base import Sharing
from models.sharing.hard import Hard
from models.tasks.base import Task
from models.transfer.base import Transfer
from models.trunks.base import Trunk
from models.trunks.scratch import Scratch


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stop when `monitor` has not bettered for `patience` epochs; keep the best epoch's weights.

    monitor: `val_loss`, or `val_<task>_<metric>`.
    """

    __pydantic_config__ = STRICT
    monitor: str = "val_loss"
    patience: Annotated[int, Field(ge=1)] = 5


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train.

    epochs: at most. batch_size: rows in a step.
    learning_rate: the highest; it rises linearly over the first `warmup_fraction` of all steps and
        falls along a cosine to zero with `schedule: cosine`.
    steps_per_epoch: after so many steps figures are taken and a checkpoint is made; after about one
        pass over the training rows when absent.
    momentum: of `sgd`. weight_decay: of `adamw` and `sgd`, on matrices only.
    clip_norm: largest norm of the whole gradient.
    mixed_precision: compute in bfloat16; variables and the served model stay float32.
    xla: compile the step. steps_per_execution: steps between returns to Python.
    subset: which of the training rows to use; all when absent.
    sampling: how often rows of each source are read, where tasks come from different ones.
    group_by_length: texts of about the same length in one batch, where the trunk reads tokens: it
        then computes less padding. Batches are less alike, in their classes too if those differ in
        length.
    gradient_figures: look at the gradients of several tasks after every epoch, on one batch, always
        the same: see `models.analysis.gradient_diagnostics`.
    augment: how training images may be changed, at random, in every epoch.
    """

    __pydantic_config__ = STRICT
    epochs: Annotated[int, Field(ge=1)] = 10
    batch_size: Annotated[int, Field(ge=1)] = 128
    steps_per_epoch: Annotated[int, Field(ge=1)] | None = None
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    mixed_precision: bool = False
    xla: bool = False
    steps_per_execution: Annotated[int, Field(ge=1)] = 1
    early_stopping: EarlyStopping | None = None
    subset: Subset | None = None
    sampling: AnySampling = field(default_factory=Proportional)
    group_by_length: bool = False
    gradient_figures: bool = True
    augment: Augment | None = None

    def __post_init__(self) -> None:
        """Refuse what would be ignored."""
        if self.weight_decay and self.optimizer == "adam":
            raise ValueError("weight_decay needs `optimizer: adamw` (or sgd); adam takes none")
        if self.group_by_length and not isinstance(self.sampling, Proportional):
            raise ValueError("group_by_length needs `sampling: proportional`")
        if self.group_by_length and self.xla:
            raise ValueError("group_by_length saves nothing with `xla`, which computes all padding")


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
