"""Averages of the weights along training, which predict better than the last weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from models.lazy import Tensor, keras


class WeightAverage(ABC):
    """An average of some float variables, among them the statistics of batch normalisation.

    variables: the state of the average, from which training resumes.
    """

    def __init__(self, weights: Sequence[keras.Variable]) -> None:
        self.weights, self.variables = tuple(weights), list[keras.Variable]()

    def after_step(self) -> None:  # noqa: B027 - only some averages need it
        """Called in the graph after each update of the weights."""

    def after_epoch(self) -> None:  # noqa: B027 - only some averages need it
        """Called after the last step of an epoch."""

    @abstractmethod
    def values(self) -> list[np.ndarray]:
        """The average of each weight."""

    def last_weights(self) -> list[np.ndarray]:
        return [np.asarray(w) for w in self.weights]

    def set_weights(self, values: Sequence[np.ndarray]) -> None:
        for weight, value in zip(self.weights, values, strict=True):
            weight.assign(value)

    def _add(self, like: keras.Variable, name: str) -> keras.Variable:
        zeros = keras.Variable(np.zeros(like.shape, like.dtype), trainable=False, name=name)
        self.variables.append(zeros)
        return zeros


class MovingAverage(WeightAverage):
    """After step t: average = m * average + (1 - m) * weight with m = min(momentum, t / (t + 9)).

    The smaller momentum at the beginning, as in `tf.train.ExponentialMovingAverage`, forgets the
    initial weights within a short training.
    """

    def __init__(self, weights: Sequence[keras.Variable], momentum: float) -> None:
        super().__init__(weights)
        self.momentum = momentum
        self.steps = keras.Variable(0, dtype="int64", trainable=False, name="averaged_steps")
        self.variables.append(self.steps)
        self.averages = [self._add(w, f"average{i}") for i, w in enumerate(self.weights)]

    def after_step(self) -> None:
        ops = keras.ops
        done: Tensor = ops.cast(self.steps, "float32")
        momentum = ops.minimum(self.momentum, done / (done + 9.0))
        for weight, average in zip(self.weights, self.averages, strict=True):
            share = ops.cast(1.0 - momentum, weight.dtype)
            average.assign_add(share * (weight - average))
        self.steps.assign_add(1)

    def values(self) -> list[np.ndarray]:
        return [np.asarray(average) for average in self.averages]


class LastEpochs(WeightAverage):
    """The mean of the weights after each of the last epochs (as Vaswani et al. 2017, section 6.1,
    average their last checkpoints).

    count: number of epochs; fewer at the beginning.
    """

    def __init__(self, weights: Sequence[keras.Variable], count: int) -> None:
        super().__init__(weights)
        self.count = count
        self.epochs = keras.Variable(0, dtype="int64", trainable=False, name="averaged_epochs")
        self.variables.append(self.epochs)
        self.kept = [
            [self._add(w, f"epoch{k}_weight{i}") for i, w in enumerate(self.weights)]
            for k in range(count)
        ]

    def after_epoch(self) -> None:
        slot = self.kept[int(self.epochs) % self.count]
        for weight, kept in zip(self.weights, slot, strict=True):
            kept.assign(weight)
        self.epochs.assign_add(1)

    def values(self) -> list[np.ndarray]:
        filled = self.kept[: min(int(self.epochs), self.count)]
        return [
            np.mean([np.asarray(k) for k in each], axis=0) for each in zip(*filled, strict=True)
        ]
