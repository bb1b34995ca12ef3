"""Ticks at the axes of charts."""

from __future__ import annotations

from itertools import pairwise

import pytest

from components.charts import Coordinate, Point, Series, parallel, plot


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


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [((16_769, 18_481), ["16,000", "18,000", "20,000"]), ((3, 4_000), ["10", "100", "1,000"])],
)
def test_a_logarithmic_axis_has_several_ticks(
    parameters: tuple[int, int], expected: list[str]
) -> None:
    points = tuple(Point(p, 1) for p in parameters)
    drawn = plot([Series("arms", points)], "parameters", "gain", log_x=True)
    assert drawn is not None
    assert [tick.text for tick in drawn.x_ticks] == expected


def test_values_on_an_axis_are_named_unless_their_texts_would_overlap() -> None:
    rates = [0.0018459, 0.0017439, 0.0090595]
    axes = [
        Coordinate("batch", [32, 64, 64]),
        Coordinate("rate", rates),
        Coordinate("%", [1, 2, 3]),
    ]
    batch, rate, gain = parallel(axes, ["", "", ""], "gains").axes
    assert [tick.text for tick in batch.ticks] == ["32", "64"]
    assert [tick.text for tick in gain.ticks] == ["1", "2", "3"]
    heights = [tick.at for tick in rate.ticks]
    assert min(abs(a - b) for a, b in pairwise(heights)) >= 13
