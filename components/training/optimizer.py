"""The optimizer of a training run. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.lazy import keras
from models.multitask.adaptation import Adaptation
from models.multitask.model import MultitaskModel
from models.optimizers.schedule_free import ScheduleFree
from models.optimizers.variable_rates import VariableRate, with_variable_rates

if TYPE_CHECKING:
    from components.training.settings import ChosenTraining, OptimizerName

OPTIMIZERS: Mapping[OptimizerName, type[keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "lion": keras.optimizers.Lion,
    "muon": keras.optimizers.Muon,
    "schedule_free_adamw": ScheduleFree,
}
HEADS = r"\.head/"
"""In the path of a variable of a task's last layer, which Muon leaves to AdamW (Jordan 2024)."""


def make_optimizer(
    training: ChosenTraining, steps_per_epoch: int, rates: list[VariableRate]
) -> keras.optimizers.Optimizer:
    """An optimizer whose schedule covers all steps of all epochs.

    Muon updates matrices, with updates as long as those of AdamW (Liu et al. 2025,
    arXiv:2502.16982, section 2.2); embeddings, heads and all other weights have AdamW.

    rates: of the variables that the optimizer will be built with.
    """
    total = steps_per_epoch * training.epochs
    warmup = int(training.warmup_fraction * total)
    peak, decay = training.learning_rate, training.weight_decay or None
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else peak,
        max(total - warmup, 1),
        alpha=1.0 if training.schedule == "constant" else 0.0,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )
    options: dict[OptimizerName, dict[str, Any]] = {
        "sgd": {"momentum": training.momentum},
        "muon": {"adam_weight_decay": decay, "exclude_layers": [HEADS]},
    }
    optimizer: Any = OPTIMIZERS[training.optimizer]
    return with_variable_rates(optimizer)(
        learning_rate=schedule,
        rates=rates,
        global_clipnorm=training.clip_norm,
        weight_decay=decay,
        **options.get(training.optimizer, {}),
    )


def variables_without_decay(model: MultitaskModel, adaptation: Adaptation) -> list[keras.Variable]:
    """Biases, scales, mixing weights of sharing schemes, the balancing method's variables, and
    what the transfer mode pulls elsewhere.
    """
    excluded = {id(v) for v in (*model.balancing_variables, *adaptation.undecayed)}
    excluded |= {id(v) for graft in model.grafts for v in graft.undecayed}
    return [v for v in adaptation.variables if len(v.shape) < 2 or id(v) in excluded]
