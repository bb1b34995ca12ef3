"""Settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from components.training.sampling import AnySampling, Proportional
from components.training.subset import Subset
from models.config import STRICT
from models.inputs.layers.augment import Augment


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
