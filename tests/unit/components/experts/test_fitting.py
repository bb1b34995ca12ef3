"""Which experts are fitted, and to which rows."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts import Batches, Examples
from components.experts.fitting import ExpertRows, fit_experts
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.raw_text import RawTextFeature
from models.tasks.base import TaskTarget
from models.tasks.multiclass import MulticlassTask

FEATURES = (
    ImageFeature(name="photo", column="photo", height=4, width=4, channels=1),
    NumericFeature(name="x", column="amount", mean=0.0, deviation=1.0),
)


@pytest.fixture
def rows(tmp_path: Path) -> ExpertRows:
    (tmp_path / "train").mkdir()
    columns = {
        "photo": [b"not read"] * 6,
        "amount": [1.0, None, 3.0, 4.0, 5.0, 6.0],
        "patient": ["a", "b", "a", None, "b", None],
        "visit": [1, 1, 1, 1, 2, 1],
    }
    pq.write_table(pa.table(columns), tmp_path / "train" / "part-00000.parquet")
    return ExpertRows(Examples(tmp_path), FEATURES, Batches(tmp_path), key=("patient",))


def test_pictures_are_not_read(rows: ExpertRows) -> None:
    raw = rows.raw("train", np.array([1, 2]))
    assert list(raw) == ["x"]
    np.testing.assert_array_equal(raw["x"], [np.nan, 3.0])


def test_rows_with_equal_keys_are_a_group(rows: ExpertRows) -> None:
    assert rows.groups(np.arange(6)).tolist() == [0, 1, 0, 2, 1, 2]
    assert rows.groups(np.array([4, 5, 1])).tolist() == [0, 1, 0]


def test_without_a_key_every_row_is_a_group(rows: ExpertRows) -> None:
    alone = ExpertRows(rows.examples, FEATURES, rows.batches)
    assert alone.groups(np.arange(6)).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_kind_is_left_out_of_very_many_classes_and_that_is_said(rows: ExpertRows) -> None:
    text = ExpertRows(rows.examples, (RawTextFeature(name="t", column="t"),), rows.batches)
    classes = tuple(str(i) for i in range(101))
    target = TaskTarget(task=MulticlassTask(name="topic", label="y"), classes=classes)
    labels = {"topic": np.arange(50)}
    observer = Mock()
    fitted = fit_experts(("ngrams",), text, np.arange(50), [target], labels, 0, observer)
    assert fitted.experts == ()
    observer.warn.assert_called_once_with(
        "model.experts: without ngrams: the tasks have 101 raw outputs, more than its limit of 100."
    )
