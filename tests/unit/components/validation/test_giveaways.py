from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts import Examples
from components.validation.giveaways import giveaway_findings
from models.inputs.base import Input
from models.inputs.categorical import CategoricalInput
from models.inputs.numeric import NumericInput
from models.tasks.base import Task
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

ROWS = 600
RNG = np.random.default_rng(0)
YES = RNG.random(ROWS) < 0.3
AMOUNT = np.exp(RNG.normal(size=ROWS))
LABELS = {
    "left": np.where(YES, "yes", "no"),
    "grade": RNG.integers(3, size=ROWS),
    "amount": AMOUNT,
    "tags": np.where(YES, "a,b", "b"),
}
LEFT = BinaryTask(name="left", label="left", positive=("yes",))
GRADE = MulticlassTask(name="grade", label="grade")
AMOUNTS = RegressionTask(name="amount", label="amount")
TAGS = MultilabelTask(name="tags", label="tags")

Named = Callable[..., list[str]]


@pytest.fixture
def named(tmp_path: Path) -> Named:
    """The sentences about one column and task."""

    def named(values: Any, task: Task, labels: Mapping[str, Any] = LABELS) -> list[str]:
        rows = pa.table({**labels, "x": pa.array(values, from_pandas=True)})
        (tmp_path / "train").mkdir(exist_ok=True)
        pq.write_table(rows, tmp_path / "train" / "part-00000.parquet", row_group_size=97)
        words = pa.types.is_string(rows.schema.field("x").type)
        kind: type[Input] = CategoricalInput if words else NumericInput
        found = list(giveaway_findings([kind(name="i", column="x")], [task], Examples(tmp_path)))
        assert {f.severity for f in found} <= {"WARNING"}
        return [f.sentence for f in found]

    return named


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (np.where(YES, "refunded", "kept"), LEFT),
        (np.where(YES, RNG.normal(size=ROWS), np.nan), LEFT),  # known only where the label is yes
        (np.where(YES, 5.0, -5.0) + RNG.normal(size=ROWS), LEFT),
        ([f"code{4 * g + i % 4}" for i, g in enumerate(LABELS["grade"])], GRADE),
        (1000 * LABELS["grade"] + RNG.integers(900, size=ROWS), GRADE),
        (-3 * AMOUNT**2, AMOUNTS),
        (np.where(YES, "both", "one"), TAGS),
    ],
)
def test_a_column_that_gives_the_label_away_is_named(named: Named, values: Any, task: Task) -> None:
    [sentence] = named(values, task)
    expected = f"tasks.{task.name}: column 'x' (input i) alone gives the label away: on held-out"
    assert sentence.startswith(expected)


@pytest.mark.parametrize("task", [LEFT, GRADE, AMOUNTS, TAGS])
@pytest.mark.parametrize(
    "values",
    [
        range(ROWS),
        [f"id{i}" for i in range(ROWS)],
        RNG.normal(size=ROWS),
        RNG.choice(["a", "b"], size=ROWS),
        [None] * ROWS,
        np.where(RNG.random(ROWS) < 0.05, 1 - YES, YES).astype(float) + 0.5,  # good, not perfect
        AMOUNT * np.exp(0.3 * RNG.normal(size=ROWS)),
    ],
)
def test_other_columns_are_not(named: Named, values: Any, task: Task) -> None:
    assert named(values, task) == []


def test_identifiers_of_a_file_that_is_sorted_by_its_label_are_not(named: Named) -> None:
    ordered = {**LABELS, "left": np.sort(LABELS["left"])}
    assert named(range(1000, 1000 + ROWS), LEFT, ordered) == []
    assert named([f"r{i:04d}" for i in range(ROWS)], LEFT, ordered) == []
    leak = named(np.where(ordered["left"] == "yes", "b", "a"), LEFT, ordered)
    assert len(leak) == 1  # the sample holds rows of both ends


def test_rare_classes_need_enough_rows(named: Named) -> None:
    for positives, expected in ((8, 0), (40, 1)):
        yes = np.arange(ROWS) % (ROWS // positives) == 0
        labels = {**LABELS, "left": np.where(yes, "yes", "no")}
        assert len(named(np.where(yes, "b", "a"), LEFT, labels)) == expected


def test_rows_without_a_label_are_left_out(named: Named) -> None:
    labels = {**LABELS, "left": [None if i % 2 else v for i, v in enumerate(LABELS["left"])]}
    column = ["same" if i % 2 else v for i, v in enumerate(LABELS["left"])]
    assert len(named(column, LEFT, labels)) == 1
