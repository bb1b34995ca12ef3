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
    min_delta: smallest change that patience counts as an improvement.
    """

    __pydantic_config__ = STRICT
    monitor: str = "val_loss"
    patience: Annotated[int, Field(ge=1)] = 5
    min_delta: Annotated[float, Field(ge=0)] = 0.0


LastWordOf = Literal["stack", "experts"]
"""Who answers: the `stack` of network and experts, or the `experts` alone. Then the network takes a
single step of training, has no weight, and is left out of the served graph.
"""
OptimizerName = Literal["adam", "adamw", "sgd", "lion", "muon", "schedule_free_adamw"]
Schedule = Literal["constant", "cosine"]
DevicesOf = Literal["auto", "one", "all"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How to train. What is absent is chosen from the data: see `components.training.choices`.

    epochs: maximum number of epochs. Absent: until the validation loss stops improving. If it is
        stated, `optimizer`, `schedule`, `warmup_fraction`, `early_stopping` and `ema` have fixed
        defaults: `adam`, `cosine`, 0.05, none and 0.
    seconds: training ends after so many seconds of steps and validation, in the middle of an epoch
        if need be, with the best weights until then. How many steps that are depends on the
        machine: for a budget of time.
    batch_size: rows per step.
    learning_rate: its peak. It rises linearly over the first `warmup_fraction` of all steps; with
        `schedule: cosine` it then falls to zero along a cosine.
    steps_per_epoch: number of steps after which metrics are computed and a checkpoint is written;
        about one pass over the training rows if absent, more on small tables.
    optimizer: `muon` and `schedule_free_adamw`: see `components.training.optimizer` and
        `models.optimizers.schedule_free`. `lion`: Chen et al. 2023, arXiv:2302.06675.
    momentum: of `sgd`. weight_decay: of every optimizer but `adam`, on matrices only.
    clip_norm: maximal norm of the gradient of all weights together.
    ema: momentum of an exponential moving average of the weights, such as 0.998; 0 for none.
    average_last: average the weights after so many of the last epochs. Averages, like those of
        `ema`, are what is validated and kept.
    mixed_precision: compute in bfloat16; variables and the served model stay float32.
    xla: compile the training step. steps_per_execution: has no effect any more: training returns
        to Python only to report.
    subset: which training rows to use; all rows if absent.
    sampling: how often to read the rows of each source, for tasks with labels from different
        sources.
    group_by_length: put texts of similar length into one batch, so that a trunk that reads tokens
        computes less padding. Batches then differ more from each other.
    gradient_checkpointing: keep only the inputs of the trunk's blocks for the backward pass and
        compute the rest again (Chen et al. 2016, arXiv:1604.06174): less memory, more time, the
        same gradients. Blocks with dropout are left as they are.
    gradient_figures: compare the gradients of the tasks after every epoch, always on the same
        batch: see `models.analysis.gradient_diagnostics`.
    augment: random changes of training images in every epoch.
    devices: `one`, `all` (all GPUs of the machine; without any, all CPU devices of TensorFlow), or
        `auto`: all GPUs if there are several, else one device. `batch_size` counts the rows of a
        step over all devices and workers, so neither it nor the learning rate depends on them: see
        `docs/devices.md`.
    """

    __pydantic_config__ = STRICT
    epochs: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(ge=1)] | None = None
    steps_per_epoch: Annotated[int, Field(ge=1)] | None = None
    optimizer: OptimizerName | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    schedule: Schedule | None = None
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    ema: Annotated[float, Field(ge=0, lt=1)] | None = None
    average_last: Annotated[int, Field(ge=2)] | None = None
    mixed_precision: bool = False
    xla: bool = False
    steps_per_execution: Annotated[int, Field(ge=1)] | None = None
    early_stopping: EarlyStopping | None = None
    subset: Subset | None = None
    sampling: AnySampling = field(default_factory=Proportional)
    group_by_length: bool = False
    gradient_checkpointing: bool = False
    gradient_figures: bool = True
    augment: Augment | None = None
    devices: DevicesOf = "auto"

    def __post_init__(self) -> None:
        """Reject settings that would have no effect."""
        if self.weight_decay and self.optimizer == "adam":
            raise ValueError("weight_decay needs another optimizer, such as adamw; adam has none")
        if self.ema and self.average_last:
            raise ValueError("ema and average_last are two averages of the weights; choose one")
        if self.optimizer == "schedule_free_adamw" and (self.ema or self.average_last):
            raise ValueError("schedule_free_adamw is an average itself: remove ema, average_last")
        if self.optimizer == "schedule_free_adamw" and self.schedule == "cosine":
            raise ValueError("schedule_free_adamw needs `schedule: constant`")
        if self.group_by_length and not isinstance(self.sampling, Proportional):
            raise ValueError("group_by_length needs `sampling: proportional`")
        if self.group_by_length and self.xla:
            raise ValueError("group_by_length has no effect with `xla`, which computes all padding")


@dataclass(frozen=True, kw_only=True)
class ChosenTraining(Training):
    """`Training` with a value for everything that training needs.

    early_stopping: none if absent. steps_per_epoch: one pass over the rows if absent.
    """

    epochs: int
    batch_size: int
    optimizer: OptimizerName
    learning_rate: float
    weight_decay: float
    schedule: Schedule
    warmup_fraction: float
    ema: float
