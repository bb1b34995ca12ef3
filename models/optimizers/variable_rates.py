"""Optimizers in which each variable has its own learning rate and its own first step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from models.lazy import keras, tf
from models.optimizers.fused_adam import FusedAdam


@dataclass(frozen=True)
class VariableRate:
    """How a variable trains.

    rate: its learning rate as a share of the optimizer's. first_step: from which it trains; Adam
    corrects the bias of its moments by the number of steps since then.
    """

    rate: float = 1.0
    first_step: int = 0


@cache
def with_variable_rates(
    optimizer: type[keras.optimizers.Optimizer],
) -> type[keras.optimizers.Optimizer]:
    """A subclass with the argument `rates`: one `VariableRate` per variable it is built with.

    A variable that starts late behaves as it would have at step 0, and the others keep their
    moments. The learning rate of a variable also applies to its weight decay.
    """
    base: Any = optimizer
    if issubclass(optimizer, keras.optimizers.Adam):
        base = type(optimizer.__name__, (FusedAdam, optimizer), {})

    class WithRates(base):  # type: ignore[misc]
        def __init__(self, *args: Any, rates: Sequence[VariableRate], **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._rates, self._rate = tuple(rates), VariableRate()

        @property
        def iterations(self) -> Any:
            """Steps since the first one of the variable that is being updated."""
            first = self._rate.first_step
            return self._iterations - first if first else self._iterations

        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            """Sum the gradients of rows that occur several times, as tokens of a batch do.

            Keras would square each part separately, in Adam and in the norm for clipping.
            """
            if keras.config.backend() == "tensorflow":
                sparse = tf.IndexedSlices
                grads = [tf.convert_to_tensor(g) if isinstance(g, sparse) else g for g in grads]
            super().apply(grads, trainable_variables)

        def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
            """With several replicas: a step gives gradients of the whole batch, already summed."""
            return grads_and_vars

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            with self._with_rate_of(variable) as rate:
                super().update_step(gradient, variable, learning_rate * rate.rate)

        def _get_current_learning_rate(self) -> Any:
            return super()._get_current_learning_rate() * self._rate.rate

        def _apply_weight_decay(self, variables: Any) -> None:
            for variable in variables:
                with self._with_rate_of(variable):
                    super()._apply_weight_decay([variable])

        @contextmanager
        def _with_rate_of(self, variable: Any) -> Iterator[VariableRate]:
            self._rate = self._rates[self._get_variable_index(variable)]
            try:
                yield self._rate
            finally:
                self._rate = VariableRate()

    WithRates.__name__ = optimizer.__name__
    return WithRates
