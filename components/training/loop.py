"""The training loop: many steps in one call of a graph. Importing this module imports TensorFlow.

Keras's `fit` returns to Python after each step. For small models that takes as long as the step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from components.training.devices import ONE_DEVICE, Devices
from components.training.workers import while_all_are_there
from models.lazy import tf
from models.multitask.model import MultitaskModel

SECONDS_PER_CALL = 0.25
"""About as long as a call runs; then Python reports, and Ctrl-C can stop it."""
EVALUATED = 1000
"""Batches of validation rows in a call."""


class Loop:
    """Trains and evaluates a model by its `train_step` and `test_step`.

    How many steps a call runs has no influence on what they compute. The graph is traced for the
    variables that train at the first step; if other ones are to train, a new loop is needed.
    """

    def __init__(
        self, model: MultitaskModel, xla: bool = False, devices: Devices = ONE_DEVICE
    ) -> None:
        """xla: compile the training step. devices: where the model was built."""
        self.model, self.devices = model, devices
        self._train = _graph(devices.step(model.train_step, xla))
        self._test = _graph(devices.step(model.test_step))
        self._per_step = SECONDS_PER_CALL
        self.steps = 0
        """Of the last pass, which may have ended early."""
        self._passes: dict[int, tuple[tf.data.Dataset, tf.data.Iterator]] = {}

    def train(
        self, batches: tf.data.Dataset, report: Callable[[int], None], until: float = math.inf
    ) -> dict[str, float]:
        """Train for one pass over the batches, whose number is known. Returns the figures.

        report: called with the number of steps so far. until: no more steps after this time, as of
            `time.perf_counter`, but at least one.
        """
        self.model.reset_metrics()
        iterator, steps, done = self._iterator(batches), int(batches.cardinality()), 0
        while done < steps and (not done or time.perf_counter() < until):
            wanted = max(int(SECONDS_PER_CALL / self._per_step), 1)
            count = self.devices.number_of_chief(min(wanted, steps - done, 2 * done + 1))
            began = time.perf_counter()
            with while_all_are_there():
                self._train(iterator, tf.constant(count))
            self._per_step = max((time.perf_counter() - began) / count, 1e-6)
            done += count
            report(done)
        self.steps = done
        with while_all_are_there():
            return self.model.totals.result()

    def evaluate(self, batches: tf.data.Dataset) -> dict[str, float]:
        """The figures of all batches."""
        self.model.reset_metrics()
        iterator, left = self._iterator(batches), int(batches.cardinality())
        while left > 0:
            count = min(left, EVALUATED)
            self._test(iterator, tf.constant(count))
            left -= count
        with while_all_are_there():
            return self.model.totals.result()

    def _iterator(self, batches: tf.data.Dataset) -> tf.data.Iterator:
        """The same one for every pass over these batches: it begins again at their end. TensorFlow
        optimises the functions of a dataset for each new iterator, which takes as long as many
        steps of a small model.
        """
        if id(batches) not in self._passes:
            self._passes[id(batches)] = batches, iter(batches.repeat())
        return self._passes[id(batches)][1]


def _graph(step: Callable[..., object]) -> Callable[[object, tf.Tensor], None]:
    """A function that runs a step on each of the next batches of an iterator."""

    def run(iterator: tf.data.Iterator, count: tf.Tensor) -> None:
        def next_step(done: tf.Tensor) -> tf.Tensor:
            step(iterator.get_next())
            return done + 1

        tf.while_loop(lambda done: done < count, next_step, [0], parallel_iterations=1)

    traced: Callable[[object, tf.Tensor], None] = tf.function(run, autograph=False)
    return traced
