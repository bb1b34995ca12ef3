"""Interface of transfer modes: which weights of a pretrained trunk train, when, and how fast."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field

from models.config import STRICT
from models.lazy import keras

TrunkRate = Annotated[float, Field(gt=0)]
"""Learning rate of the trunk's weights that train, as a share of `training.learning_rate`."""


@dataclass(frozen=True)
class Phase:
    """Consecutive epochs in which the same weights of the trunk train.

    start: index of the first epoch. variables: the trunk's variables that train.
    """

    start: int
    variables: tuple[keras.Variable, ...]


@dataclass(frozen=True)
class Pairs:
    """Contrastive training of a trunk on pairs of rows, before the first phase.

    variables: those of the trunk that train. learning_rate: at its peak. rows: in a step, of which
        all pairs count. steps: chosen from the number of labelled rows if None. balanced: whether
        heads weigh the classes of a task alike.
    """

    variables: tuple[keras.Variable, ...]
    learning_rate: float
    rows: int
    steps: int | None = None
    balanced: bool = True


@dataclass(frozen=True)
class Plan:
    """How a trunk is adapted.

    phases: the first starts at epoch 0; each lasts until the next one starts.
    pairs: what happens before them; nothing if None.
    rates: learning rate by `id` of a variable, as a share of that of the heads; 1 if missing.
    added: weights that are not part of the architecture; `Transfer.finish` removes them.
    undecayed: variables that `training.weight_decay` does not pull to zero, besides those that it
        spares in any model.
    notes: warnings for the user.
    """

    phases: tuple[Phase, ...]
    rates: dict[int, float] = field(default_factory=dict)
    added: tuple[keras.Variable, ...] = ()
    undecayed: tuple[keras.Variable, ...] = ()
    notes: tuple[str, ...] = ()
    pairs: Pairs | None = None


class Transfer(ABC):
    """The spec of a transfer mode: it plans how the weights of a pretrained trunk are adapted.

    A mode is a frozen dataclass with a literal `name`, one per file. In all modes, batch
    normalisation in Keras trunks uses its pretrained statistics and does not update them; its scale
    and offset train like other weights.
    """

    __pydantic_config__ = STRICT
    name: str
    fixed_trunk: ClassVar[bool] = False
    """Whether the trunk stays as it is while the heads train."""
    on_pairs: ClassVar[bool] = False
    """Whether the trunk first trains on pairs of rows: see `Pairs`."""

    @property
    def tunes(self) -> bool:
        """Whether pretrained weights train together with the heads."""
        return not self.fixed_trunk

    @abstractmethod
    def plan(self, trunk: keras.Model) -> Plan:
        """The plan for this trunk. May add weights and regularizers to its layers.

        Raises:
            TransferError: the trunk has no weights that this mode can train.
        """

    def finish(self, trunk: keras.Model) -> None:  # noqa: B027 - most modes add nothing
        """Restore the architecture that `Trunk.build` builds, with the adapted weights."""


class TransferError(ValueError):
    """A mode does not fit a trunk: what was expected, what was received, what to do."""


def at_rate(variables: Any, rate: float) -> dict[int, float]:
    """The same learning rate for all variables."""
    return {id(v): rate for v in variables}
