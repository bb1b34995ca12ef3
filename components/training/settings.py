"""The `training` section of a spec."""

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
    """Stop when `monitor` has not improved for `patience` epochs; keep the best epoch's weights.

    monitor: `val_loss`, or `val_<task>_<metric>`.
    """

    __pydantic_config__ = STRICT
    monitor: str = "val_loss"
    patience: Annotated[int, Field(ge=1)] = 5


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train.

    epochs: maximum number of epochs. batch_size: rows per step.
    learning_rate: its peak. It rises linearly over the first `warmup_fraction` of all steps; with
        `schedule: cosine` it then falls to zero along a cosine.
    steps_per_epoch: number of steps after which metrics are computed and a checkpoint is written;
        about one pass over the training rows if absent.
    momentum: of `sgd`. weight_decay: of `adamw` and `sgd`, on matrices only.
    clip_norm: maximal norm of the gradient of all weights together.
    mixed_precision: compute in bfloat16; variables and the served model stay float32.
    xla: compile the training step. steps_per_execution: steps between returns to Python.
    subset: which training rows to use; all rows if absent.
    sampling: how often to read the rows of each source, for tasks with labels from different
        sources.
    group_by_length: put texts of similar length into one batch, so that a trunk that reads tokens
        computes less padding. Batches then differ more from each other.
    gradient_figures: compare the gradients of the tasks after every epoch, always on the same
        batch: see `models.analysis.gradient_diagnostics`.
    augment: random changes of training images in every epoch.
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
        """Reject settings that would have no effect."""
        if self.weight_decay and self.optimizer == "adam":
            raise ValueError("weight_decay needs `optimizer: adamw` or `sgd`; adam has none")
        if self.group_by_length and not isinstance(self.sampling, Proportional):
            raise ValueError("group_by_length needs `sampling: proportional`")
        if self.group_by_length and self.xla:
            raise ValueError("group_by_length has no effect with `xla`, which computes all padding")
