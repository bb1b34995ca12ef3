"""Optimizers in which variables train at rates of their own, and from a step of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from models.lazy import keras, tf
from models.optimizers.fused_adam import FusedAdam


@dataclass(frozen=True)
class Pace:
    """rate: share of the optimizer's learning rate. first_step: at which a variable joins: Adam
    corrects the bias of its moments by the steps since then.
    """

    rate: float = 1.0
    first_step: int = 0


@cache
def paced(optimizer: type[keras.optimizers.Optimizer]) -> type[keras.optimizers.Optimizer]:
    """A subclass with one argument more: the `paces` of the variables that it is built with.

    What joins late starts as it would have at step 0, and what trains already keeps its moments.
    The learning rate of a variable counts for its weight decay too.
    """
    base: Any = optimizer
    if issubclass(optimizer, keras.optimizers.Adam):
        base = type(optimizer.__name__, (FusedAdam, optimizer), {})

    class Paced(base):  # type: ignore[misc]
        def __init__(self, *args: Any, paces: Sequence[Pace], **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._paces, self._pace = tuple(paces), Pace()

        @property
        def iterations(self) -> Any:
            """Steps since the variable that is being updated joined."""
            first = self._pace.first_step
            return self._iterations - first if first else self._iterations

        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            """Add up the gradients of rows that occur more than once, as the tokens of a batch do:
            Keras would square each part by itself, in Adam and in the norm for clipping.
            """
            if keras.config.backend() == "tensorflow":
                grads = [
                    tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g for g in grads
                ]
            super().apply(grads, trainable_variables)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            with self._at_pace_of(variable) as pace:
                super().update_step(gradient, variable, learning_rate * pace.rate)

        def _get_current_learning_rate(self) -> Any:
            return super()._get_current_learning_rate() * self._pace.rate

        def _apply_weight_decay(self, variables: Any) -> None:
            for variable in variables:
                with self._at_pace_of(variable):
                    super()._apply_weight_decay([variable])

        @contextmanager
        def _at_pace_of(self, variable: Any) -> Iterator[Pace]:
            self._pace = self._paces[self._get_variable_index(variable)]
            try:
                yield self._pace
            finally:
                self._pace = Pace()

    Paced.__name__ = optimizer.__name__
    return Paced
