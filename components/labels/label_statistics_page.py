"""`tasks.html`: the labels of every task, and which labels occur together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.labels.label_statistics import SplitTasks
from serving.pages import render


@dataclass(frozen=True)
class LabelsPage:
    """What the template reads. most_shown: classes of a task."""

    splits: Sequence[SplitTasks]
    title: str = "Tasks"
    most_shown: int = 12

    def pairs(self, split: SplitTasks) -> list[tuple[str, ...]]:
        """A row for each pair of tasks: names, rows, Cramér's V, most frequent pairs of labels.

        The last two are `-` for numbers, which are no classes.
        """
        return [
            (
                f"{pair.a} and {pair.b}",
                f"{pair.both:,}",
                "-" if pair.association is None else f"{pair.association:.3f}",
                "; ".join(f"{a} and {b}: {n:,}" for a, b, n in pair.counts[:4])
                if pair.association is not None
                else "-",
            )
            for pair in split.pairs
        ]


def page(splits: Sequence[SplitTasks]) -> str:
    return render(__name__, LabelsPage(splits))
