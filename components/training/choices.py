"""Chooses the training settings that a spec leaves out, from the rows and the trunk.

Without `epochs`, training goes on until the validation loss stops improving: at a constant learning
rate, because nobody knows yet when it will end, with a moving average of the weights that is
validated and kept, which does what a falling learning rate would do (Polyak and Juditsky 1992). The
values are those that did well on our benchmarks; a value in the spec always wins.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from components.training.settings import ChosenTraining, EarlyStopping, OptimizerName, Training

if TYPE_CHECKING:
    from models.transfer.base import Transfer

ROWS_PER_BATCH = 128
"""A batch has about one row of so many, within the limits of `Recipe`."""
WARMUP_STEPS = 100
RATES: Mapping[OptimizerName, float] = {
    "adam": 1.0,
    "adamw": 1.0,
    "sgd": 25.0,
    "lion": 0.2,
    "muon": 1.0,
    "schedule_free_adamw": 1.0,
}
"""Learning rate of an optimizer, relative to that of AdamW."""


@dataclass(frozen=True)
class Situation:
    """What the choices depend on.

    rows: training rows. labelled: mean share of them that has the label of a task: 1 / tasks, if
        each task has rows of its own.
    validated: whether there are validation rows.
    last_phase: index of the epoch in which the transfer mode's last phase starts; 0 without phases.
    """

    rows: int
    transfer: Transfer | None = None
    validated: bool = True
    labelled: float = 1.0
    last_phase: int = 0


@dataclass(frozen=True)
class Defaults:
    """Values for one way of training.

    batch: smallest and largest batch. learning_rate, weight_decay: of AdamW. ema: see `Training`.
    epoch_steps: fewest steps of an epoch, so that small tables are not validated all the time.
    patience_steps: fewest steps without improvement before training stops, so also the fewest steps
        of a training. patience_epochs: fewest epochs. most_steps: of a training.
    blind_steps, blind_epochs: length of a training without validation rows; the longer one counts.
    """

    batch: tuple[int, int]
    learning_rate: float
    weight_decay: float
    ema: float
    clip_norm: float | None
    epoch_steps: int
    patience_steps: int
    patience_epochs: int
    most_steps: int
    blind_steps: int
    blind_epochs: int


HEADS_OR_SCRATCH = Defaults(
    batch=(32, 256),
    learning_rate=2e-3,
    weight_decay=3e-4,
    ema=0.998,
    clip_norm=None,
    epoch_steps=25,
    patience_steps=500,
    patience_epochs=5,
    most_steps=50_000,
    blind_steps=2_000,
    blind_epochs=10,
)
"""Weights that start at random: a whole network, or heads on a frozen trunk."""
FINE_TUNING = Defaults(
    batch=(16, 32),
    learning_rate=1e-3,
    weight_decay=0.01,
    ema=0.99,
    clip_norm=1.0,
    epoch_steps=10,
    patience_steps=150,
    patience_epochs=2,
    most_steps=10_000,
    blind_steps=200,
    blind_epochs=3,
)
"""Pretrained weights, which train at a share of the learning rate: see `Transfer`."""
MIN_DELTA = 1e-3
"""Smaller changes of the validation loss are no reason to go on: a loss may fall for ever while no
prediction changes. Losses of all kinds of tasks are of the order of 1."""
LARGEST_BATCH, LARGE = 1024, 2**18
"""Batches grow up to `LARGEST_BATCH` rows for more than `LARGE` training rows."""


def choose(training: Training, situation: Situation) -> ChosenTraining:
    """`training` with a value for everything that training needs. Stated values stay."""
    transfer = situation.transfer
    tunes = transfer is not None and transfer.tunes
    defaults = FINE_TUNING if tunes else HEADS_OR_SCRATCH
    batch = training.batch_size or _batch_size(defaults, situation)
    given = {f.name: getattr(training, f.name) for f in fields(Training)}
    automatic = training.epochs is None
    optimizer: OptimizerName = "adamw" if automatic or training.weight_decay else "adam"
    optimizer = training.optimizer or optimizer
    chosen: dict[str, Any] = {
        "batch_size": batch,
        "optimizer": optimizer,
        "learning_rate": RATES[optimizer] * defaults.learning_rate,
        "weight_decay": 0.0,
        "schedule": "cosine",
        "warmup_fraction": 0.05,
        "ema": 0.0,
    }
    if automatic:
        chosen |= _length(training, defaults, batch, situation)
        if optimizer != "adam":
            chosen["weight_decay"] = defaults.weight_decay
    if optimizer == "schedule_free_adamw":
        chosen |= {"schedule": "constant", "ema": 0.0}
    augment = training.augment
    if (
        augment is not None
        and augment.unless_frozen
        and transfer is not None
        and transfer.fixed_trunk
    ):
        given["augment"] = None
    stated = {name: value for name, value in given.items() if value is not None}
    return ChosenTraining(**{**given, **chosen, **stated})


def sentence(training: Training, chosen: ChosenTraining) -> str:
    """The main settings that were chosen, for people; empty if all of them were stated."""
    stopping, length = chosen.early_stopping, f"{chosen.epochs:,} epochs"
    if stopping is not None:
        length = f"patience {stopping.patience} epochs"
    texts = {
        "learning_rate": f"{chosen.optimizer} {chosen.learning_rate:g}",
        "batch_size": f"{chosen.batch_size:,} rows a step",
        "epochs": length,
        "ema": f"weights averaged ({chosen.ema:g})" if chosen.ema else "",
    }
    return "; ".join(text for name, text in texts.items() if text and vars(training)[name] is None)


def _batch_size(defaults: Defaults, situation: Situation) -> int:
    """A power of two. Rows without a task's label teach it nothing, so then a batch has more."""
    least, most = defaults.batch
    if situation.rows > LARGE and most > least * 2:
        most = LARGEST_BATCH
    wanted = situation.rows / ROWS_PER_BATCH
    size = int(2 ** round(math.log2(max(least, min(wanted, most)))))
    sources = min(4, round(1 / max(situation.labelled, 0.01)))
    return max(size, min(most, size * sources))


def _length(
    training: Training, defaults: Defaults, batch: int, situation: Situation
) -> dict[str, Any]:
    """How long to train, and what belongs to that: average, warm-up, early stopping."""
    whole = -(-situation.rows // batch)
    steps = training.steps_per_epoch or max(whole, defaults.epoch_steps)
    patience = max(defaults.patience_epochs, -(-defaults.patience_steps // steps))
    if training.early_stopping is not None:
        patience = training.early_stopping.patience
    most = max(-(-defaults.most_steps // steps), 2 * patience) + situation.last_phase
    length: dict[str, Any] = {
        "steps_per_epoch": steps if steps != whole else None,
        "clip_norm": defaults.clip_norm,
    }
    if not situation.validated:
        wanted = max(defaults.blind_epochs, -(-defaults.blind_steps // steps))
        return length | {"epochs": min(wanted + situation.last_phase, most)}
    return length | {
        "epochs": most,
        "schedule": "constant",
        "warmup_fraction": min(0.05, round(WARMUP_STEPS / (most * steps), 6)),
        "early_stopping": EarlyStopping(patience=patience, min_delta=MIN_DELTA),
        "ema": 0.0 if training.average_last else defaults.ema,
    }
