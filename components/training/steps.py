"""Trains for a number of steps before the heads do. Importing this module imports TensorFlow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from components.errors import RootstockError
from components.stage import Observer
from components.training.checkpoint import Checkpoint
from components.training.epochs import CHECKPOINT_SHARE
from models.lazy import keras
from models.optimizers.variable_rates import VariableRate, with_variable_rates

WEIGHT_DECAY = 0.01
WARMUP = 0.1
"""Share of the steps in which the learning rate rises; then it falls along a cosine."""
REPORTED = 10
"""Steps between two reports, and between two checkpoints at least."""


def warmed_up(
    variables: Sequence[keras.Variable],
    learning_rate: float,
    steps: int,
    rates: Sequence[float] | None = None,
) -> keras.optimizers.Optimizer:
    """AdamW for so many steps. Biases and scales do not decay.

    rates: of each variable, as a share of the learning rate; 1 if None.
    """
    warmup = max(round(WARMUP * steps), 1)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(steps - warmup, 1), warmup_target=learning_rate, warmup_steps=warmup
    )
    each = [VariableRate(r) for r in rates or [1.0] * len(variables)]
    kind = with_variable_rates(keras.optimizers.AdamW)
    optimizer = kind(schedule, rates=each, weight_decay=WEIGHT_DECAY, global_clipnorm=1.0)
    optimizer.exclude_from_weight_decay(var_list=[v for v in variables if len(v.shape) < 2])
    optimizer.build(list(variables))
    return optimizer


def train_steps(
    step: Callable[[int], float],
    steps: int,
    checkpoint: Checkpoint,
    observer: Observer,
    what: str,
    rate: str,
) -> list[float]:
    """The mean losses of every `REPORTED` steps, those before a restart included.

    step: trains one step, by its number, and returns its loss. what: is trained on, for messages.
    rate: the key of its learning rate in a spec.

    Raises:
        RootstockError: training diverges.
    """
    progress = checkpoint.restore()
    losses, next_checkpoint = list[float](), -math.inf
    for number in range(len(progress.history) * REPORTED, steps):
        losses.append(step(number))
        last = number + 1 == steps
        if not last and len(losses) < REPORTED:
            continue
        loss = float(np.mean(losses))
        if not math.isfinite(loss):
            raise RootstockError(
                f"Training on {what} diverged: the loss is {loss} after {number + 1} steps. Lower"
                f" {rate}."
            )
        progress.history.append({"loss": loss})
        observer.progress(number + 1, steps, "steps", what)
        losses.clear()
        if last or time.perf_counter() >= next_checkpoint:
            began = time.perf_counter()
            checkpoint.save(progress)
            ended = time.perf_counter()
            next_checkpoint = ended + (ended - began) / CHECKPOINT_SHARE
    return [entry["loss"] for entry in progress.history]
