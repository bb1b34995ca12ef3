"""What to train and how: the parameters and inputs of every stage that trains a model."""

from __future__ import annotations

from dataclasses import dataclass, field

from components.artifacts import (
    AdaptedTrunk,
    Batches,
    Examples,
    ExpertModels,
    Preprocessing,
    SourceFiles,
    TeacherAnswers,
)
from components.training.settings import LastWordOf, Training
from models.balancing.base import Balancing
from models.balancing.loss_based.equal import Equal
from models.experts.base import Expert
from models.inputs.base import Feature
from models.multitask.record import ModelRecord
from models.sharing.base import Sharing
from models.sharing.hard import Hard
from models.tasks.base import Task, TaskTarget
from models.transfer.base import Transfer
from models.trunks.base import Trunk
from models.trunks.scratch import Scratch
from models.trunks.sources.adapted import Adapted


@dataclass(frozen=True)
class TrainerInputs:
    """Data to train on.

    examples: for the labels.
    batches: the preprocessed features of `examples`, row by row.
    pretrained: the files that the trunk starts from, so that their content counts.
    embeddings: the representation of each row of `batches` by a frozen trunk, if precomputed.
    test_embeddings: the same of test rows, which many trials share.
    experts: classical models, and their margins for the rows to train on.
    adapted: the weights of the trunk after pretraining on texts, if there was any.
    teacher: answers of another model that the model learns beside the labels, if there are any.
    """

    examples: Examples
    preprocessing: Preprocessing
    batches: Batches
    pretrained: tuple[SourceFiles, ...] = ()
    embeddings: Batches | None = None
    test_embeddings: Batches | None = None
    experts: ExpertModels | None = None
    adapted: AdaptedTrunk | None = None
    teacher: TeacherAnswers | None = None


@dataclass(frozen=True)
class Recipe:
    """One model for all `tasks`.

    transfer: how pretrained weights adapt; when absent, all weights train alike, as from scratch.
    seed: random seed for initialisation, shuffling and sampling.
    last_word: see `LastWordOf`.
    """

    tasks: tuple[Task, ...]
    trunk: Trunk = field(default_factory=Scratch)
    sharing: Sharing = field(default_factory=Hard)
    balancing: Balancing = field(default_factory=Equal)
    transfer: Transfer | None = None
    training: Training = field(default_factory=Training)
    seed: int = 0
    last_word: LastWordOf = "stack"

    def record(
        self,
        features: tuple[Feature, ...],
        targets: tuple[TaskTarget, ...],
        experts: tuple[Expert, ...] = (),
        adapted: AdaptedTrunk | None = None,
    ) -> ModelRecord:
        """The model to build. targets: of `tasks`, from the labels of the training rows."""
        trunk = self.trunk
        if adapted is not None:
            trunk = Adapted(trunk=trunk, directory=adapted.path)
        return ModelRecord(
            features=features,
            targets=targets,
            trunk=trunk,
            sharing=self.sharing,
            balancing=self.balancing,
            experts=experts,
        )
