"""What happens around the steps of an epoch: progress, figures, checkpoints, early stopping.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from components.errors import RootstockError
from components.stage import Observer
from components.training.checkpoint import TIMES, Checkpoint, Progress
from components.training.loop import Loop
from components.training.monitor import Monitor
from models.lazy import keras, tf
from models.multitask.model import MultitaskModel

SECONDS_BETWEEN_REPORTS = 0.25
CHECKPOINT_SHARE = 0.1
"""Largest share of the training time for checkpoints, which take long for large models: then some
epochs have none, and a killed run may lose more than one epoch."""


class Epochs:
    """Reports steps and epochs, keeps the best weights, and writes checkpoints.

    epoch: the variable that determines the order of rows.
    steps: of an epoch.
    epochs: number of epochs of the whole training, over all phases. seconds: after which it ends,
        and at the latest when `ends` is, as of `time.monotonic`; None for no limit.
    progress: of the finished epochs; extended in place.
    more_figures: called after each epoch for figures of the current model.
    """

    def __init__(
        self,
        model: MultitaskModel,
        observer: Observer,
        epoch: tf.Variable,
        steps: int,
        epochs: int,
        checkpoint: Checkpoint,
        progress: Progress,
        monitor: Monitor | None,
        seconds: float | None = None,
        ends: float = math.inf,
    ) -> None:
        self.model, self.observer, self.epoch_variable = model, observer, epoch
        self.steps, self.epochs = steps, epochs
        self.checkpoint, self.progress, self.monitor = checkpoint, progress, monitor
        self.seconds, self.ends = (math.inf, math.inf) if seconds is None else (seconds, ends)
        self.more_figures: Callable[[], dict[str, float]] = dict
        self._next_checkpoint, self._reported = -math.inf, 0.0
        self._last: list[np.ndarray] | None = None
        """The last weights, while the model has the average."""

    @property
    def done(self) -> bool:
        """Whether patience or time is at its end."""
        stops = self.monitor is not None and self.monitor.stops(self.progress.history)
        return stops or (bool(self.progress.history) and self._left() <= 0)

    def _left(self) -> float:
        """Seconds until the end. Those before a restart are spent."""
        left = self.seconds - sum(epoch[TIMES[0]] for epoch in self.progress.history)
        return min(left, self.ends - time.monotonic())

    def run(
        self, loop: Loop, end: int, batches: tf.data.Dataset, validation: tf.data.Dataset | None
    ) -> None:
        """Train until so many epochs are finished, those before a restart included.

        Raises:
            RootstockError: training diverges.
        """
        while len(self.progress.history) < end and not self.done:
            epoch = len(self.progress.history)
            self.epoch_variable.assign(epoch)
            began = time.perf_counter()
            figures = loop.train(batches, self._report_now_and_then, began + self._left())
            trained = time.perf_counter() - began
            self._use_average()
            if validation is not None:
                figures |= {f"val_{n}": v for n, v in loop.evaluate(validation).items()}
            self._check_finite(epoch, figures["loss"])
            self._report(loop.steps)
            seconds = time.perf_counter() - began
            self._end(epoch, figures, (seconds, trained, loop.steps))

    def _end(self, epoch: int, figures: dict[str, float], times: Sequence[float]) -> None:
        """Keep the figures and the best weights, and write a checkpoint if it is due.

        times: see `TIMES`.
        """
        figures |= self.model.gate_figures() | self.more_figures()
        self.observer.metrics(epoch, figures | {"epoch_seconds": times[0]})
        history = self.progress.history
        history.append(figures | dict(zip(TIMES, times, strict=True)))
        monitor = self.monitor
        if monitor and monitor.patience is not None and monitor.best_epoch(history) == epoch:
            self.progress.best = self.checkpoint.weights()
        self._use_last()
        began = time.perf_counter()
        if began >= self._next_checkpoint or self.done or epoch + 1 == self.epochs:
            self.checkpoint.save(self.progress)
            ended = time.perf_counter()
            self._next_checkpoint = ended + (ended - began) / CHECKPOINT_SHARE

    def _check_finite(self, epoch: int, loss: float) -> None:
        """Weights are checked too, because the loss may be finite although a weight is NaN:
        oneDNN's fused ReLU turns NaN into 0.

        Raises:
            RootstockError: the loss or a weight is not finite.
        """
        broken = next((w.path for w in self.model.weights if not _is_finite(w)), None)
        if broken is not None or not math.isfinite(loss):
            raise RootstockError(
                f"Training diverged: the loss of epoch {epoch + 1} is {loss}"
                f"{f', and {broken} is not finite' if broken else ''}. Lower"
                " training.learning_rate, or set training.clip_norm (1.0, for example)."
            )

    def _use_average(self) -> None:
        """Give the model the average weights, until the epoch ends."""
        if (average := self.model.average) is not None:
            average.after_epoch()
            self._last = average.last_weights()
            average.set_weights(average.values())

    def _use_last(self) -> None:
        if self.model.average is not None and self._last is not None:
            self.model.average.set_weights(self._last)
            self._last = None

    def _report_now_and_then(self, steps: int) -> None:
        now = time.perf_counter()
        if now - self._reported >= SECONDS_BETWEEN_REPORTS:
            self._reported = now
            self._report(steps)

    def _report(self, steps: int) -> None:
        epoch = len(self.progress.history)
        done = epoch * self.steps + steps
        stops_early = self.monitor is not None and self.monitor.patience is not None
        total = None if stops_early else self.epochs * self.steps  # nobody knows when
        most = f" of at most {self.epochs:,}" if stops_early else f"/{self.epochs}"
        self.observer.progress(done, total, "steps", f"epoch {epoch + 1}{most}")


def _is_finite(weight: keras.Variable) -> bool:
    return math.isfinite(float(keras.ops.sum(keras.ops.cast(weight, "float32"))))
