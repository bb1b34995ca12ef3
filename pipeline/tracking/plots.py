"""Plots for MLflow: learning curves, confusion matrices, reliability and ranking curves."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_CLASSES_WITH_NUMBERS = 20
NORMS = "norms of the tasks' gradients"
AGREEMENT = ("gradient_cosine", "conflict_rate", "gradient_rank", "exactness")
PANELS: dict[str, Callable[[str], bool]] = {
    "weights of the tasks": lambda name: name.endswith("_weight"),
    NORMS: lambda name: name.endswith("_gradient_norm"),
    "agreement of the tasks' gradients": lambda name: name in AGREEMENT,
    "gates: weights of the experts": lambda name: name.startswith("gate/"),
}
"""The metrics in `tasks_together.png`, by title of their panel."""


def plots_of(directory: Path) -> Iterator[tuple[str, Figure]]:
    """Plots of an artifact's content, with their file names; most artifacts have none."""
    if (history := directory / "history.json").is_file():
        epochs = json.loads(history.read_text())["epochs"]
        yield from learning_curves(epochs)
        yield from gradient_panels(epochs)
    if (evaluation := directory / "evaluation.json").is_file():
        for task in json.loads(evaluation.read_text())["tasks"].values():
            yield from task_plots(task)


def task_plots(task: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    """Plots of one task's `components.evaluation.metrics.TaskMetrics`, read from JSON."""
    name = task["task"]
    if task["confusion"]:
        yield f"confusion_{name}.png", _confusion(name, task["confusion"], task["classes"])
    if task["reliability"]:
        yield f"reliability_{name}.png", _reliability(name, task["reliability"])
    if before := task.get("uncalibrated", {}).get("reliability"):
        title = f"{name} before calibration"
        yield f"reliability_{name}_uncalibrated.png", _reliability(title, before)
    rates = "false positive rate", "true positive rate"
    for kind, axes in {"roc": rates, "precision_recall": ("recall", "precision")}.items():
        if task[kind]:
            yield f"{kind}_{name}.png", _curve(name, task[kind], *axes)


def learning_curves(epochs: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, Figure]]:
    """One plot for each metric of each task, with training and validation values."""
    names = [
        n.removeprefix("val_")
        for n in epochs[0]
        if not n.endswith("seconds") and not any(fits(n) for fits in PANELS.values())
    ]
    for metric in dict.fromkeys(names):
        figure, axes = _figure(metric)
        for series, label in ((metric, "train"), (f"val_{metric}", "val")):
            if values := [e[series] for e in epochs if series in e]:
                axes.plot(range(1, len(values) + 1), values, marker=".", label=label)
        axes.set_xlabel("epoch")
        axes.legend()
        yield f"learning_{metric}.png", figure


def gradient_panels(epochs: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, Figure]]:
    """One plot of the joint training of tasks, with a panel for each kind of metric that exists.

    Task weights, norms and agreement of gradients, and gates of the sharing method.
    """
    from matplotlib.figure import Figure

    panels = {
        title: names
        for title, fits in PANELS.items()
        if (names := [n for n in epochs[-1] if fits(n) and math.isfinite(epochs[-1][n])])
    }
    if not panels:
        return
    figure = Figure(figsize=(8, 3 * len(panels)), dpi=100)
    figure.subplots_adjust(left=0.1, right=0.7, top=1 - 0.12 / len(panels), hspace=0.35)
    stacked = figure.subplots(len(panels), squeeze=False)[:, 0]
    for axes, (title, names) in zip(stacked, panels.items(), strict=True):
        axes.set_title(title)
        for name in names:
            values = [epoch.get(name, math.nan) for epoch in epochs]
            axes.plot(range(1, len(values) + 1), values, marker=".", label=_short(name))
        if title == NORMS:
            axes.set_yscale("log")
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.02), fontsize=7)
    axes.set_xlabel("epoch")
    yield "tasks_together.png", figure


def _short(name: str) -> str:
    for part in ("gate/", "gradient_"):
        name = name.removeprefix(part)
    for part in ("_weight", "_gradient_norm"):
        name = name.removesuffix(part)
    return name


def _confusion(name: str, counts: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    room = min(0.15 + 0.015 * max(map(len, classes)), 0.5)
    figure, axes = _figure(f"{name}: confusion", room)
    shares = [[n / max(sum(row), 1) for n in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="predicted", ylabel="true")
    if len(counts) <= MOST_CLASSES_WITH_NUMBERS:
        axes.set_xticks(range(len(counts)), classes, rotation=90)
        axes.set_yticks(range(len(counts)), classes)
        for i, row in enumerate(counts):
            for j, n in enumerate(row):
                shade = "white" if shares[i][j] > 0.5 else "black"
                axes.text(j, i, str(n), ha="center", va="center", color=shade, fontsize=8)
    return figure


def _reliability(name: str, bins: Sequence[Mapping[str, float]]) -> Figure:
    figure, axes = _figure(f"{name}: reliability")
    most = max(b["count"] for b in bins)
    confidence, accuracy = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot(confidence, accuracy)
    axes.scatter(confidence, accuracy, s=[10 + 90 * b["count"] / most for b in bins])
    axes.set(xlabel="confidence (area: rows)", ylabel="accuracy")
    return figure


def _curve(name: str, points: Sequence[Sequence[float]], x: str, y: str) -> Figure:
    figure, axes = _figure(name)
    axes.plot(*zip(*points, strict=True))
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    return figure


def _figure(title: str, room: float = 0.15) -> tuple[Figure, Axes]:
    """A figure without pyplot: no window system, no state shared between threads.

    room: the share of the figure left of and below the axes, for labels. Fixed, because automatic
    layout draws everything twice.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), dpi=100)
    figure.subplots_adjust(left=room, bottom=room, right=0.97, top=0.92)
    return figure, figure.subplots(subplot_kw={"title": title})
