"""Learning curves of a run, from `history.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from components.charts import Plot, Point, Series, plot

NOT_LEARNING = ("_weight", "_gradient_norm", "seconds", "objective", "conflict_rate", "exactness")
NOT_LEARNING_EITHER = ("gate/", "gradient_")
Epochs = Sequence[Mapping[str, float]]


def curves(epochs: Epochs, tasks: Sequence[str]) -> list[Plot]:
    """Training and validation values by epoch: the loss, then every metric of the tasks."""
    names = dict.fromkeys(n.removeprefix("val_") for e in epochs[:1] for n in e)
    learning = [
        n for n in names if not n.endswith(NOT_LEARNING) and not n.startswith(NOT_LEARNING_EITHER)
    ]
    order = ["loss", *(n for t in tasks for n in learning if n.startswith(f"{t}_"))]
    plots = []
    for name in dict.fromkeys(n for n in order if n in learning):
        both = (
            Series("training", _points(epochs, name)),
            Series("validation", _points(epochs, f"val_{name}")),
        )
        drawn = plot([s for s in both if s.points], "epoch", name, title=name.replace("_", " "))
        plots += [] if drawn is None else [drawn]
    return plots


def _points(epochs: Epochs, name: str) -> tuple[Point, ...]:
    values = ((i, epoch[name]) for i, epoch in enumerate(epochs, 1) if name in epoch)
    return tuple(Point(i, value) for i, value in values if math.isfinite(value))
