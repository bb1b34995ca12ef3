from __future__ import annotations

from pathlib import Path

import pytest

from components.artifacts import Examples
from components.statistics.column_statistics import StringColumn, ValueCounts
from components.transform.fit.base import TrainingColumn
from components.transform.fit.categorical import CategoricalFit
from models.inputs.categorical import CategoricalInput
from models.inputs.encodings import Words


@pytest.mark.parametrize(
    ("rows", "min_rows", "kept"),
    [(40_000, None, "ab"), (40_000, 1, "abcd"), (9_999, None, "abcd"), (10**7, None, "ab")],
)
def test_rare_values_count_as_unknown(rows: int, min_rows: int | None, kept: str) -> None:
    counts = (("a", 20), ("b", 10), ("c", 3), ("d", 1))
    column = StringColumn(
        name="c", type="string", present=34, missing=rows - 34, values=ValueCounts(counts=counts)
    )
    spec = CategoricalInput(name="c", column="c", min_rows=min_rows)
    feature = CategoricalFit().fit(spec, TrainingColumn(column, Examples(Path()), (), Words()))
    assert feature.vocabulary == tuple(kept)
