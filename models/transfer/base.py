"""What a transfer mode is: which weights of a pretrained trunk train, when, and how fast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from models.lazy import keras

TrunkRate = Annotated[float, Field(gt=0)]
"""Learning rate of what trains in the trunk, as a share of `training.learning_rate`."""


@dataclass(frozen=True)
class Phase:
    """Epochs in a row through which the same weights of the trunk train.

    start: index of its first epoch. variables: of the trunk, those that train.
    """

    start: int
    variables: tuple[keras.Variable, ...]


@dataclass(frozen=True)
class Plan:
    """How a trunk adapts.

    phases: the first starts at epoch 0, and each lasts until the next.
    rates: learning rates of variables, by `id`, as a share of the heads'; 1 where none is given.
    added: weights that are no part of the architecture: `Transfer.finish` takes them out again.
    notes: what a person should know.
    """

    phases: tuple[Phase, ...]
    rates: dict[int, float] = field(default_factory=dict)
    added: tuple[keras.Variable, ...] = ()
    notes: tuple[str, ...] = ()


class Transfer(ABC):
    """From a trunk with its pretrained weights to a plan for adapting them.

    A mode is a frozen dataclass with a literal `name`, in a file of its own in `models/transfer`.
    In all of them, batch normalisation in Keras trunks uses its pretrained statistics and leaves
    them as they are; its scale and offset train like other weights.
    """

    name: str

    @abstractmethod
    def plan(self, trunk: keras.Model) -> Plan:
        """How `trunk` adapts; may add weights and regularizers to its layers.

        Raises:
            TransferError: the trunk has nothing that this mode could train.
        """

    def finish(self, trunk: keras.Model) -> None:  # noqa: B027 - most modes add nothing
        """Leave the trunk as `Trunk.build` builds it, with the adapted weights."""


class TransferError(ValueError):
    """A mode does not fit a trunk: what was expected, what there is, what to do."""


def at_rate(variables: Any, rate: float) -> dict[int, float]:
    """The same learning rate for all variables."""
    return {id(v): rate for v in variables}
