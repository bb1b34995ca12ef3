"""The optimizer of a training run. Importing this module imports TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.lazy import keras
from models.multitask.adaptation import Adaptation
from models.multitask.model import MultitaskModel
from models.optimizers.variable_rates import VariableRate, with_variable_rates

if TYPE_CHECKING:
    from components.training.settings import Training


def make_optimizer(
    training: Training, steps_per_epoch: int, rates: list[VariableRate]
) -> keras.optimizers.Optimizer:
    """An optimizer whose schedule covers all steps of all epochs.

    rates: of the variables that the optimizer will be built with.
    """
    total = steps_per_epoch * training.epochs
    warmup = int(training.warmup_fraction * total)
    peak = training.learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else peak,
        max(total - warmup, 1),
        alpha=1.0 if training.schedule == "constant" else 0.0,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    arguments: dict[str, Any] = {"learning_rate": schedule, "rates": rates}
    arguments["global_clipnorm"] = training.clip_norm
    if training.optimizer == "adam":
        return with_variable_rates(keras.optimizers.Adam)(**arguments)
    arguments["weight_decay"] = training.weight_decay or None
    if training.optimizer == "adamw":
        return with_variable_rates(keras.optimizers.AdamW)(**arguments)
    return with_variable_rates(keras.optimizers.SGD)(**arguments, momentum=training.momentum)


def variables_without_decay(model: MultitaskModel, adaptation: Adaptation) -> list[keras.Variable]:
    """Biases, scales, mixing weights of sharing schemes, the balancing method's variables, and
    what the transfer mode pulls elsewhere.
    """
    excluded = {id(v) for v in (*model.balancing_variables, *adaptation.undecayed)}
    excluded |= {id(v) for graft in model.grafts for v in graft.undecayed}
    return [v for v in adaptation.variables if len(v.shape) < 2 or id(v) in excluded]
