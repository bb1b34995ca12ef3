"""Which epoch is the best one, and when to stop early."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.errors import RootstockError

if TYPE_CHECKING:
    from components.training.settings import EarlyStopping
    from models.tasks.heads.head import Head


@dataclass(frozen=True)
class Monitor:
    """Watches one figure over the epochs.

    name: of the figure.
    patience: training stops after so many epochs without improvement and keeps the weights of the
        best epoch. With None it never stops and keeps the last weights.
    first_epoch: patience does not count earlier epochs.
    min_delta: smallest change that patience counts as an improvement.
    """

    name: str
    more_is_better: bool
    patience: int | None = None
    first_epoch: int = 0
    min_delta: float = 0.0

    def best_epoch(self, history: list[dict[str, float]]) -> int:
        """Index of the best epoch: the first one of equal epochs; NaN is worst."""
        values = self._values(history)
        return min(range(len(values)), key=lambda epoch: (math.isnan(values[epoch]), values[epoch]))

    def stops(self, history: list[dict[str, float]]) -> bool:
        if self.patience is None or not history:
            return False
        improved, best = 0, math.inf
        for epoch, value in enumerate(self._values(history)):
            if value < best - self.min_delta:
                improved, best = epoch, value
        since = max(improved, self.first_epoch)
        return len(history) - 1 - since >= self.patience

    def _values(self, history: list[dict[str, float]]) -> list[float]:
        """The figure after each epoch, negated if more is better."""
        return [-e[self.name] if self.more_is_better else e[self.name] for e in history]


def choose_monitor(
    heads: Iterable[Head], stopping: EarlyStopping | None, validated: bool, first_epoch: int
) -> Monitor | None:
    """The monitor for some settings; without early stopping it watches `val_loss`.

    validated: whether there are validation rows. first_epoch: see `Monitor`.

    Raises:
        RootstockError: the model does not have the figure that early stopping monitors.
    """
    if stopping is None:
        return Monitor("val_loss", more_is_better=False) if validated else None
    if not validated:
        raise RootstockError(
            "training.early_stopping needs validation rows, but the val split is empty. Give"
            " data.splits.val a larger share, or remove early_stopping."
        )
    more_is_better = {"val_loss": False}
    for head in heads:
        more_is_better[f"val_{head.target.name}_loss"] = False
        for metric, direction in head.directions.items():
            more_is_better[f"val_{head.target.name}_{metric}"] = direction == "max"
    if (name := stopping.monitor) not in more_is_better:
        raise RootstockError(
            f"training.early_stopping.monitor: {name!r} is not a figure of this model."
            f" Expected one of: {', '.join(more_is_better)}."
        )
    return Monitor(name, more_is_better[name], stopping.patience, first_epoch, stopping.min_delta)
