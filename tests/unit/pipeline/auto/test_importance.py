"""Permutation importance: of what a model reads, with intervals, as long as there is time."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pipeline.auto.importance import Fall, Importance, measured
from pipeline.auto.ranking import Metrics

RNG = np.random.default_rng(0)
ROWS = 300
RAW = {name: RNG.normal(size=ROWS) for name in ("strong", "weak", "none", "year", "month")}
LABELS = 2 * RAW["strong"] + 0.5 * RAW["weak"] + RAW["year"] + RAW["month"]
COLUMNS = {"strong": ["strong"], "weak": ["weak"], "none": ["none"], "date": ["year", "month"]}
METRICS = Metrics({"y": "mae"}, {"y": -1})
DRAWS = np.vstack([np.ones(ROWS), RNG.poisson(1.0, (100, ROWS))])


def values(raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The mean absolute error of the true function, on all rows and on samples of them."""
    answers = 2 * raw["strong"] + 0.5 * raw["weak"] + raw["year"] + raw["month"]
    errors = abs(answers - LABELS)
    return {"y": DRAWS @ errors / DRAWS.sum(axis=1)}


def test_columns_are_measured_by_how_much_worse_the_metric_gets() -> None:
    falls, skipped = measured(values, RAW, COLUMNS, METRICS, math.inf)
    assert not skipped
    by_column = {f.column: f for f in falls}
    assert by_column["strong"].low > by_column["weak"].high > by_column["weak"].low > 0
    assert by_column["none"].value == 0
    assert by_column["date"].value > 1, "both inputs of the column are shuffled"


def test_the_rest_is_named_when_time_is_over() -> None:
    falls, skipped = measured(values, RAW, COLUMNS, METRICS, -math.inf)
    assert [f.column for f in falls] == ["strong"]
    assert skipped == ["weak", "none", "date"]
    (first, second) = Importance(falls, skipped, ROWS, "test").sentences()
    assert "strong 2" in first
    assert "weak, none, date" in second


def test_the_sentence_tells_what_is_sure_from_what_is_not() -> None:
    falls = [
        Fall("a", "y", "auc", 0.2, 0.1, 0.3),
        Fall("b", "y", "auc", 0.3, 0.2, 0.4),
        Fall("c", "y", "auc", 0.01, -0.01, 0.03),
    ]
    (sentence,) = Importance(falls, (), 100, "val").sentences()
    assert "100 val rows: b 0.3 (0.2 to 0.4), a 0.2 (0.1 to 0.3)" in sentence
    assert "cannot be told from 0: c." in sentence
