"""Calibrations: raw outputs of a task, changed so that its probabilities are right as often as
they say.

A method is a frozen dataclass in a file of this package, where it is found. It is fitted to rows
that the model has not seen (`components.calibration.calibrating`), is stored in the record of the
model, and is part of its graph. It gives raw outputs too, so the head of the task does not change.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema

from models.config import STRICT
from models.discovery import choice
from models.lazy import Tensor

PRIOR_ROWS = 20.0
"""Strength of the penalty on the distance of slopes from 1 and of biases from 0. Without it, rows
that are all answered rightly would make the model as certain as can be."""
Map = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Answered:
    """Rows that the model has not seen, all of them labelled.

    outputs: float64 [rows, units], raw outputs. targets: float64 [rows, units], 1 where the unit is
        right, else 0. exclusive: whether probabilities are the softmax of the outputs; else they
        are their sigmoids.
    """

    outputs: np.ndarray
    targets: np.ndarray
    exclusive: bool

    def __len__(self) -> int:
        return len(self.outputs)

    def at(self, rows: np.ndarray) -> Answered:
        return Answered(self.outputs[rows], self.targets[rows], self.exclusive)

    def losses(self, outputs: np.ndarray) -> np.ndarray:
        """The log loss of each row [rows], with other raw outputs; the mean over sigmoids."""
        if self.exclusive:
            right = (self.targets * outputs).sum(axis=1)
            return np.asarray(np.logaddexp.reduce(outputs, axis=1) - right)
        return np.asarray((np.logaddexp(0, outputs) - self.targets * outputs).mean(axis=1))

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Softmax or sigmoids of raw outputs, [rows, units]."""
        if self.exclusive:
            return np.asarray(np.exp(outputs - np.logaddexp.reduce(outputs, axis=1)[:, None]))
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * outputs))


@dataclass(frozen=True, kw_only=True)
class Calibration(ABC):
    """A fitted method. As the type of a field, it stands for any of them.

    name: of the method, in a spec. order: methods with more parameters come later.
    """

    __pydantic_config__ = STRICT
    name: str
    order: ClassVar[int]

    @classmethod
    @abstractmethod
    def fit(cls, rows: Answered) -> Self:
        """The method with the parameters that are best for these rows."""

    @abstractmethod
    def __call__(self, outputs: Tensor) -> Tensor:
        """Raw outputs, [batch, units], from raw outputs. `keras.ops` only."""

    @abstractmethod
    def described(self) -> str:
        """The name with the parameters that say most, for people."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        abstract = inspect.isabstract(cls)
        return handler(choice("models.calibration", Calibration) if abstract else source)


def scaled(rows: Answered, units: int, biased: bool) -> tuple[np.ndarray, np.ndarray]:
    """The slopes, not negative, and biases with the least log loss of slope · output + bias.

    It is the sum of the losses + PRIOR_ROWS / 2 · (|slopes - 1|² + |biases|²), which is convex.

    units: slopes and biases, [units] each: 1 for all outputs together, or one for each output.
    biased: whether there are biases; else they are 0.
    """
    from scipy.optimize import minimize

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        slopes, biases = values[:units], values[units:]
        outputs = rows.outputs * slopes + biases
        errors = rows.probabilities(outputs) - rows.targets
        by_slope = (errors * rows.outputs).sum(axis=0)
        parts = [by_slope if units > 1 else by_slope.sum(keepdims=True)]
        parts.append(errors.sum(axis=0) if units > 1 else errors.sum(keepdims=True).ravel())
        moved = np.concatenate([slopes - 1, biases])
        gradient = np.concatenate(parts) + PRIOR_ROWS * moved
        scale = 1 if rows.exclusive else rows.outputs.shape[1]
        total = scale * rows.losses(outputs).sum() + PRIOR_ROWS * float(moved @ moved) / 2
        return total / len(rows), gradient / len(rows)

    bounds = [(0.0, None)] * units + [(None, None) if biased else (0.0, 0.0)] * units
    start = np.concatenate([np.ones(units), np.zeros(units)])
    values = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return values[:units], values[units:]
