"""The Keras callback of training: progress, figures, checkpoints, early stopping.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import numpy as np

from components.errors import RootstockError
from components.stage import Observer
from components.training.checkpoint import TIMES, Checkpoint, Progress
from components.training.monitor import Monitor
from models.lazy import keras, tf
from models.optimizers.weight_average import WeightAverage

SECONDS_BETWEEN_REPORTS = 0.25
CHECKPOINT_SHARE = 0.1
"""Largest share of the training time for checkpoints, which take long for large models: then some
epochs have none, and a killed run may lose more than one epoch."""
Logs = Mapping[str, float]


class EpochCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports steps and epochs, keeps the best weights, and writes checkpoints.

    epoch: the variable that determines the order of rows.
    epochs: number of epochs of the whole training, which may take several calls of `fit`.
    progress: of the finished epochs; extended in place.
    average: the average of the weights that is validated and kept, if it is not the last weights.
    more_figures: called after each epoch for figures of the current model.
    """

    more_figures: Callable[[], dict[str, float]] = dict
    last: list[np.ndarray] | None = None
    """The last weights, while the model has the average."""

    def __init__(
        self,
        observer: Observer,
        epoch: tf.Variable,
        epochs: int,
        checkpoint: Checkpoint,
        progress: Progress,
        monitor: Monitor | None,
        average: WeightAverage | None = None,
    ) -> None:
        super().__init__()
        self.observer, self.epoch_variable, self.epochs = observer, epoch, epochs
        self.checkpoint, self.progress, self.monitor = checkpoint, progress, monitor
        self.average, self.next_checkpoint = average, -math.inf

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch_variable.assign(epoch)
        self.epoch, self.began = epoch, time.perf_counter()
        self.reported, self.trained = 0.0, 0.0

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        now = time.perf_counter()
        if now - self.reported >= SECONDS_BETWEEN_REPORTS:
            self.reported = now
            self._report(batch + 1)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self.trained = time.perf_counter() - self.began  # validation does not count
        self._use_average()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Report the figures, keep the best weights, check patience, and write a checkpoint if due.

        Raises:
            RootstockError: the loss or a weight is not finite. Weights are checked too, because the
                loss may be finite although a weight is NaN: oneDNN's fused ReLU turns NaN into 0.
        """
        if self.last is None:  # without validation rows
            self._use_average()
        figures = {name: float(value) for name, value in (logs or {}).items()}
        broken = next((w.path for w in self.model.weights if not _is_finite(w)), None)
        if broken is not None or not math.isfinite(figures["loss"]):
            raise RootstockError(
                f"Training diverged: the loss of epoch {epoch + 1} is {figures['loss']}"
                f"{f', and {broken} is not finite' if broken else ''}. Lower"
                " training.learning_rate, or set training.clip_norm (1.0, for example)."
            )
        self._report(self.params["steps"])
        seconds = time.perf_counter() - self.began
        figures |= self.model.gate_figures() | self.more_figures()
        self.observer.metrics(epoch, figures | {"epoch_seconds": seconds})
        history = self.progress.history
        history.append(figures | dict(zip(TIMES, (seconds, self.trained or seconds), strict=True)))
        if self.monitor is not None and self.monitor.patience is not None:
            if self.monitor.best_epoch(history) == epoch:
                self.progress.best = self.checkpoint.weights()
            self.model.stop_training = self.monitor.stops(history)
        if self.average is not None and self.last is not None:
            self.average.set_weights(self.last)
            self.last = None
        began = time.perf_counter()
        if began >= self.next_checkpoint or self.model.stop_training or epoch + 1 == self.epochs:
            self.checkpoint.save(self.progress)
            ended = time.perf_counter()
            self.next_checkpoint = ended + (ended - began) / CHECKPOINT_SHARE

    def _use_average(self) -> None:
        """Give the model the average weights, until the epoch ends."""
        if self.average is not None:
            self.average.after_epoch()
            self.last = self.average.last_weights()
            self.average.set_weights(self.average.values())

    def _report(self, steps: int) -> None:
        per_epoch = self.params["steps"]
        done = self.epoch * per_epoch + min(steps, per_epoch)
        stops_early = self.monitor is not None and self.monitor.patience is not None
        total = None if stops_early else self.epochs * per_epoch  # nobody knows when
        most = f" of at most {self.epochs:,}" if stops_early else f"/{self.epochs}"
        self.observer.progress(done, total, "steps", f"epoch {self.epoch + 1}{most}")


def _is_finite(weight: keras.Variable) -> bool:
    return math.isfinite(float(keras.ops.sum(keras.ops.cast(weight, "float32"))))
