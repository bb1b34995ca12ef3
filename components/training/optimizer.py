"""Optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.lazy import keras
from models.multitask.model import MultitaskModel
from models.optimizers.per_variable_rates import Pace, paced

if TYPE_CHECKING:
    from components.training.settings import Training


def make_optimizer(
    training: Training, steps_per_epoch: int, paces: list[Pace]
) -> keras.optimizers.Optimizer:
    """The optimizer, with its schedule over all steps of all epochs.

    paces: of the variables that it will be built with.
    """
    total = steps_per_epoch * training.epochs
    warmup = int(training.warmup_fraction * total)
    lowest = 1.0 if training.schedule == "constant" else 0.0
    peak = training.learning_rate
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else peak,
        max(total - warmup, 1),
        alpha=lowest,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    clip, decay = training.clip_norm, training.weight_decay or None
    told = {"learning_rate": rate, "global_clipnorm": clip, "paces": paces}
    match training.optimizer:
        case "adam":
            return paced(keras.optimizers.Adam)(**told)
        case "adamw":
            return paced(keras.optimizers.AdamW)(**told, weight_decay=decay)
        case "sgd":
            return paced(keras.optimizers.SGD)(
                **told, momentum=training.momentum, weight_decay=decay
            )


def _undecayed(model: MultitaskModel, trained: list[keras.Variable]) -> list[keras.Variable]:
    """Biases, scales, mixtures and the balancing method's variables."""
    own = {id(v) for v in model.balancing_variables}
    own |= {id(v) for graft in model.grafts for v in graft.undecayed}
    return [v for v in trained if len(v.shape) < 2 or id(v) in own]
