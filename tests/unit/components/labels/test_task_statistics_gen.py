from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats.contingency import association
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.artifacts import Examples, TaskStatistics
from components.data.digests import digest_tree
from components.data.slices import Slice
from components.labels import label_counts
from components.labels.encoding import resolve
from components.labels.label_counts import LabelCounts
from components.labels.label_statistics import (
    LabelBalance,
    SplitTasks,
    co_occurrence,
    load_task_statistics,
)
from components.labels.label_statistics_proto import to_proto
from components.labels.task_statistics_gen import TaskStatisticsGen, TaskStatisticsGenInputs
from components.stage import Context
from models.tasks.base import Task
from models.tasks.binary import BinaryTask
from models.tasks.multiclass import MulticlassTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask

Make = Callable[[str], Context]
TASKS: tuple[Task, ...] = (
    BinaryTask(name="ripe", label="ripe", positive=("yes",)),
    MulticlassTask(
        name="sort", label="sort", map={"apple": "pome", "pear": "pome", "plum": "stone"}
    ),
    MultilabelTask(name="taste", label="taste", separator="|"),
    MultilabelTask(name="tags", label="tags"),
    RegressionTask(name="grams", label="grams"),
)


def rows(count: int = 500) -> pa.Table:
    rng = np.random.default_rng(0)
    sort = rng.choice(["apple", "pear", "plum"], count)
    ripe = np.where((sort == "plum") ^ (rng.random(count) < 0.2), "yes", "no")
    columns = {
        "ripe": ripe.astype(object),
        "sort": sort.astype(object),
        "taste": rng.choice(["sweet|sour", "sour | sweet", "sour", ""], count).astype(object),
        "tags": rng.choice(["a", "b"], count).astype(object),
        "grams": rng.normal(size=count).astype(object),
        "farm": rng.choice(["north", "south"], count),
    }
    for name in ("ripe", "sort", "taste", "grams"):
        columns[name][rng.random(count) < 0.3] = None
    columns["tags"] = [None if rng.random() < 0.1 else [tag, "c"] for tag in columns["tags"]]
    return pa.table({name: pa.array(list(values)) for name, values in columns.items()})


def written(root: Path, shards: list[pa.Table]) -> Examples:
    (root / "train").mkdir(parents=True)
    for i, table in enumerate(shards):
        pq.write_table(table, root / "train" / f"part-{i:05d}.parquet", row_group_size=64)
    return Examples(root, "digest")


def counted(examples: Examples, context: Context, slices: tuple[Slice, ...] = ()) -> TaskStatistics:
    stage = TaskStatisticsGen(tasks=TASKS, slices=slices)
    return stage.run(TaskStatisticsGenInputs(examples), context).task_statistics


def test_labels_as_pandas_and_scipy_count_them(tmp_path: Path, new_context: Make) -> None:
    table = rows()
    found = counted(written(tmp_path / "e", [table]), new_context("x"))
    train = load_task_statistics(found)["train"]
    frame = table.to_pandas()
    ripe, sort, taste, tags, grams = train.tasks
    known = frame["ripe"].dropna()
    assert dict(ripe.classes) == {
        "positive": int((known == "yes").sum()),
        "negative": int((known == "no").sum()),
    }
    assert (ripe.labelled, ripe.missing) == (len(known), 500 - len(known))
    family = frame["sort"].map({"apple": "pome", "pear": "pome", "plum": "stone"})
    assert dict(sort.classes) == family.value_counts().to_dict()
    text = frame["taste"].dropna()
    assert dict(taste.classes) == {n: int(text.str.contains(n).sum()) for n in ("sweet", "sour")}
    assert taste.labelled == len(text), "no label at all is a label of a multilabel task"
    assert dict(tags.classes)["c"] == tags.labelled == int(frame["tags"].notna().sum())
    assert (grams.classes, grams.labelled) == ((), int(frame["grams"].notna().sum()))
    labels = ["ripe", "sort", "taste", "tags", "grams"]
    assert train.complete == len(frame.dropna(subset=labels))

    pair = train.pairs[0]
    assert (pair.a, pair.b) == ("ripe", "sort")
    crossed = pd.crosstab(frame["ripe"].map({"yes": "positive", "no": "negative"}), family)
    assert {(a, b): n for a, b, n in pair.counts} == crossed.stack().to_dict()
    assert pair.both == crossed.to_numpy().sum()
    assert pair.association == pytest.approx(association(crossed.to_numpy(), method="cramer"))
    assert len(train.pairs) == 10
    numbers = train.pairs[3]
    assert (numbers.b, numbers.association) == ("grams", None)
    assert numbers.both == len(frame.dropna(subset=["ripe", "grams"]))


def test_same_bytes_for_any_sharding_and_order(tmp_path: Path, new_context: Make) -> None:
    table = rows()
    thirds = [table[:100], table[100:130], table[130:]]
    made = [
        counted(written(tmp_path / str(i), shards), new_context(str(i)))
        for i, shards in enumerate(([table], thirds, thirds[::-1]))
    ]
    assert len({digest_tree(m.path) for m in made}) == 1


def test_slices_add_up(tmp_path: Path, new_context: Make) -> None:
    examples = written(tmp_path / "e", [rows()])
    found = load_task_statistics(counted(examples, new_context("x"), (Slice(columns=("farm",)),)))
    assert list(found) == ["train", "train: farm=north", "train: farm=south"]
    whole, *parts = found.values()
    assert whole.rows == sum(p.rows for p in parts)
    assert whole.pairs[0].both == sum(p.pairs[0].both for p in parts)


def test_too_many_combinations(
    tmp_path: Path, new_context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_counts, "MAX_COMBINATIONS", 3)
    table = rows()
    found = counted(written(tmp_path / "e", [table[:250], table[250:]]), new_context("x"))
    train = load_task_statistics(found)["train"]
    assert (train.pairs, train.complete) == ((), None)
    assert train.tasks[0].labelled == table["ripe"].drop_null().length()
    assert "too many combinations" in (found.path / "tasks.html").read_text()


def test_the_proto_holds_lift(tmp_path: Path, new_context: Make) -> None:
    found = counted(written(tmp_path / "e", [rows()]), new_context("x"))
    read = statistics_pb2.DatasetFeatureStatisticsList()
    read.ParseFromString((found.path / "FeatureStats.pb").read_bytes())
    dataset = read.datasets[0]
    assert [f.path.step[0] for f in dataset.features] == [t.name for t in TASKS]
    cross = dataset.cross_features[0]
    pair = load_task_statistics(found)["train"].pairs[0]
    assert (cross.path_x.step[0], cross.path_y.step[0], cross.count) == ("ripe", "sort", pair.both)
    counts = {(x, y): n for x, y, n in pair.counts}
    for series in cross.categorical_cross_stats.lift.lift_series:
        for value in series.lift_values:
            expected = counts[value.x_string, series.y_string] / pair.both
            expected /= value.x_count / pair.both * series.y_count / pair.both
            assert value.lift == pytest.approx(expected)


def test_the_proto_of_many_classes_holds_the_pairs_that_occur() -> None:
    counts = {(f"a{i}", f"b{i}"): 1 for i in range(300)}
    pair = co_occurrence("a", "b", counts)
    balances = [LabelBalance(task=n, kind="multiclass", labelled=300, missing=0) for n in "ab"]
    split = SplitTasks(name="train", rows=300, tasks=tuple(balances), pairs=(pair,))
    (cross,) = to_proto((split,)).datasets[0].cross_features
    values = [v for s in cross.categorical_cross_stats.lift.lift_series for v in s.lift_values]
    assert len(values) == 300
    assert {v.lift for v in values} == {300.0}


def test_lists_with_nulls_are_counted_as_the_trainer_does() -> None:
    column = pa.array([["a", None], ["a", "b"], None, [], ["b"]])
    task = MultilabelTask(name="tags", label="tags")
    counts = LabelCounts([task])
    counts.add(pa.table({"tags": column}))
    balance = counts.result("train").tasks[0]
    target = resolve(task, pa.chunked_array([column]))
    assert (balance.labelled, balance.missing) == (target.labelled, 1) == (4, 1)
    assert dict(balance.classes) == dict(zip(target.classes, target.class_counts, strict=True))


def test_label_sets_are_not_kept_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_counts, "MAX_COMBINATIONS", 3)
    counts = LabelCounts([MultilabelTask(name="tags", label="tags")])
    counts.add(pa.table({"tags": [[f"t{i}", f"t{j}"] for i in range(20) for j in range(20)]}))
    assert counts.together is None
    assert len(counts.single[0]) == 20
