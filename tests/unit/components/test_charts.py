"""Ticks at the axes of charts."""

from __future__ import annotations

import pytest

from components.charts import Point, Series, plot


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(3, ["1", "2", "3"]), (12, ["5", "10"]), (40, ["0", "10", "20", "30", "40"])],
)
def test_ticks_of_epochs_are_whole(epochs: int, expected: list[str]) -> None:
    points = tuple(Point(i, 1 / i) for i in range(1, epochs + 1))
    drawn = plot([Series("training", points)], "epoch", "loss")
    assert drawn is not None
    assert [tick.text for tick in drawn.x_ticks] == expected


def test_ticks_of_shares_are_not_whole() -> None:
    drawn = plot([Series("a", (Point(0.1, 1), Point(1, 2)))], "share", "auc")
    assert drawn is not None
    assert "0.5" in [tick.text for tick in drawn.x_ticks]
