"""What happens beside the steps of training: progress, figures, checkpoints, early stopping.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from components.errors import RootstockError
from components.stage import Observer
from components.training.checkpoint import Checkpoint, Progress
from models.lazy import keras, tf

SECONDS_BETWEEN_REPORTS = 0.25
CHECKPOINT_SHARE = 0.1
"""Of the time of training, what checkpoints may take: those of large models are left out now and
then, so that a run that is killed may lose more than an epoch.
"""
Logs = Mapping[str, float]


@dataclass(frozen=True)
class Monitor:
    """Which epoch is best.

    name: of a figure. patience: epochs without a better one before training stops, and the best
        epoch's weights are kept; None only watches. first_epoch: from which patience counts.
    """

    name: str
    more_is_better: bool
    patience: int | None = None
    first_epoch: int = 0

    def best_epoch(self, history: list[dict[str, float]]) -> int:
        """Index of the best epoch, the first among equals; NaN is worst."""

        def rank(epoch: int) -> tuple[bool, float, int]:
            value = history[epoch][self.name]
            if math.isnan(value):
                return True, 0.0, epoch
            return False, -value if self.more_is_better else value, epoch

        return min(range(len(history)), key=rank)

    def stops(self, history: list[dict[str, float]]) -> bool:
        """Whether patience has run out."""
        if self.patience is None or not history:
            return False
        since = max(self.best_epoch(history), self.first_epoch)
        return len(history) - 1 - since >= self.patience


class EpochCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports steps and epochs, keeps the best weights, checkpoints after each epoch.

    epoch: the variable that decides the order of rows. epochs: of the whole training, which may
    take several calls of `fit`. progress: of the epochs finished so far, extended in place.
    inspect: gives figures of the model as it is, after an epoch.
    """

    inspect: Callable[[], dict[str, float]] = dict

    def __init__(
        self,
        observer: Observer,
        epoch: tf.Variable,
        epochs: int,
        saved: Checkpoint,
        progress: Progress,
        monitor: Monitor | None,
    ) -> None:
        super().__init__()
        self.observer, self.epoch_variable = observer, epoch
        self.epochs, self.saved = epochs, saved
        self.progress, self.monitor = progress, monitor
        self.next_checkpoint = -math.inf

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the order of the epoch and start its clock."""
        self.epoch_variable.assign(epoch)
        self.epoch, self.began = epoch, time.perf_counter()
        self.reported, self.trained = 0.0, 0.0

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Report now and then."""
        now = time.perf_counter()
        if now - self.reported >= SECONDS_BETWEEN_REPORTS:
            self.reported = now
            self._report(batch + 1)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Validation begins where the steps end."""
        self.trained = time.perf_counter() - self.began

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Report the figures, remember the best weights, stop or go on; checkpoint when due.

        Raises:
            RootstockError: the loss, or a weight, is no longer a number. A weight can be that
                and the loss not: oneDNN's fused ReLU makes 0 of NaN.
        """
        figures = {name: float(value) for name, value in (logs or {}).items()}
        lost = next((w.path for w in self.model.weights if not _is_finite(w)), None)
        if lost is not None or not math.isfinite(figures["loss"]):
            raise RootstockError(
                f"Training diverged: the loss of epoch {epoch + 1} is {figures['loss']}"
                f"{f', and {lost} is not finite' if lost else ''}. Lower"
                " training.learning_rate, or set training.clip_norm (1.0, for example)."
            )
        self._report(self.params["steps"])
        seconds = time.perf_counter() - self.began
        figures |= self.model.gate_figures() | self.inspect()
        self.observer.metrics(epoch, figures)
        history = self.progress.history
        history.append(figures | {"seconds": seconds, "train_seconds": self.trained or seconds})
        if self.monitor is not None and self.monitor.patience is not None:
            if self.monitor.best_epoch(history) == epoch:
                self.progress.best = self.saved.weights()
            self.model.stop_training = self.monitor.stops(history)
        began = time.perf_counter()
        if began >= self.next_checkpoint or self.model.stop_training or epoch + 1 == self.epochs:
            self.saved.save(self.progress)
            ended = time.perf_counter()
            self.next_checkpoint = ended + (ended - began) / CHECKPOINT_SHARE

    def _report(self, steps: int) -> None:
        per_epoch, epochs = self.params["steps"], self.epochs
        note = f"epoch {self.epoch + 1}/{epochs}"
        done = self.epoch * per_epoch + min(steps, per_epoch)
        self.observer.progress(done, epochs * per_epoch, "steps", note)


def _is_finite(weight: keras.Variable) -> bool:
    total = keras.ops.sum(keras.ops.cast(weight, "float32"))
    return math.isfinite(float(total))
