from __future__ import annotations

import datetime
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from components.artifacts import SPLITS, SourceFiles
from components.errors import RootstockError
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs, ExampleGenOutputs
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.splits import ColumnSplits, HashSplits, Splits, Splitting, TimeSplits
from components.ingestion.stratified_splits import stratified
from components.stage import Context

Make = Callable[[str], Context]
SPEC: TypeAdapter[Splitting] = TypeAdapter(Splits)


@pytest.fixture
def split(tmp_path: Path, new_context: Make) -> Callable[..., ExampleGenOutputs]:
    names = map(str, itertools.count())

    def split(rows: str, splits: Splitting, key: tuple[str, ...] = ()) -> ExampleGenOutputs:
        file = tmp_path / "a.csv"
        file.write_text(rows)
        stage = ExampleGen(sources=(CsvReader(path=str(file)),), splits=splits, key=key)
        return stage.run(ExampleGenInputs((SourceFiles(file, "digest"),)), new_context(next(names)))

    return split


def column(outputs: ExampleGenOutputs, split: str, name: str) -> list[object]:
    return list(outputs.examples.read(split).column(name).to_pylist())


def test_by_column(split: Callable[..., ExampleGenOutputs]) -> None:
    rows = "id,part\n1,dev\n2,train\n3,held\n4,train\n"
    values = {"train": "train", "dev": "val", "held": "test"}
    outputs = split(
        rows, SPEC.validate_python({"by": "column", "column": "part", "values": values})
    )
    assert [column(outputs, s, "id") for s in SPLITS] == [[2, 4], [1], [3]]
    with pytest.raises(
        RootstockError, match=r"column 'part' has the value 'dev'. Expected one of 'train'"
    ):
        split(rows, ColumnSplits(column="part"))
    with pytest.raises(RootstockError, match=r"data\.splits: 'fold' is not a column of"):
        split(rows, ColumnSplits(column="fold"))


def test_by_time(split: Callable[..., ExampleGenOutputs]) -> None:
    rows = "id,day\n1,2023-12-31\n2,2024-03-01\n3,2024-01-01\n4,2024-02-29T23:59\n"
    given = {"by": "time", "column": "day", "val": datetime.date(2024, 1, 1), "test": "2024-03-01"}
    outputs = split(rows, SPEC.validate_python(given))
    assert [column(outputs, s, "id") for s in SPLITS] == [[1], [3, 4], [2]]
    with pytest.raises(RootstockError, match=r"has int64 values, which cannot be compared with"):
        split(rows, TimeSplits(column="id", test="2024"))
    with pytest.raises(RootstockError, match=r"column 'day' is missing in 1 rows"):
        split(rows + "5,\n", TimeSplits(column="day", test="2024"))


def test_stratified_to_the_row(split: Callable[..., ExampleGenOutputs]) -> None:
    rows = "id,kind\n" + "".join(f"{i},{'rare' if i % 10 == 0 else 'usual'}\n" for i in range(400))
    splits = HashSplits(train=0.7, val=0.2, test=0.1, stratify="kind")
    outputs = split(rows, splits, ("id",))
    counts = [Counter(column(outputs, s, "kind")) for s in SPLITS]
    assert counts == [
        {"usual": 252, "rare": 28},
        {"usual": 72, "rare": 8},
        {"usual": 36, "rare": 4},
    ]
    ids = sorted(int(str(i)) for s in SPLITS for i in column(outputs, s, "id"))
    assert ids == list(range(400))
    other = split(rows, replace(splits, seed=1), ("id",))
    assert column(other, "test", "id") != column(outputs, "test", "id")
    assert Counter(column(other, "test", "kind")) == counts[2]


def test_stratification_keeps_groups_together(split: Callable[..., ExampleGenOutputs]) -> None:
    rows = "user,kind\n" + "".join(f"{i % 50},{'ab'[i % 2]}\n" for i in range(200))
    outputs = split(rows, HashSplits(stratify="kind"), ("user",))
    groups = [set(column(outputs, s, "user")) for s in SPLITS]
    assert sum(map(len, groups)) == 50
    with pytest.raises(
        RootstockError, match=r"rows with the same key have different values in 'kind'"
    ):
        split(rows + "0,b\n", HashSplits(stratify="kind"), ("user",))


@pytest.mark.slow
@pytest.mark.parametrize("test", [0.1, 0.2, 0.25, 0.5])
def test_every_group_is_in_the_test_split_of_one_fold(
    split: Callable[..., ExampleGenOutputs], test: float
) -> None:
    """Eleven groups of very different sizes; a hash alone would leave folds without any."""
    rows = "user,n\n" + "".join(f"u{g},{i}\n" for g in range(11) for i in range(g * g + 1))
    val = 0.1
    found = []
    for fold in range(round(1 / test)):
        splits = HashSplits(train=1 - val - test, val=val, test=test, fold=fold)
        outputs = split(rows, splits, ("user",))
        groups = [set(column(outputs, s, "user")) for s in SPLITS]
        assert sum(map(len, groups)) == 11, "no group is in two splits"
        assert all(groups)
        found.append(groups[2])
    assert sum(map(len, found)) == len(set().union(*found)) == 11
    assert max(map(len, found)) - min(map(len, found)) <= 1


@pytest.mark.slow
def test_folds_are_made_within_strata(split: Callable[..., ExampleGenOutputs]) -> None:
    rows = "id,kind\n" + "".join(f"{i},{'rare' if i % 10 == 0 else 'usual'}\n" for i in range(400))
    tested = []
    for fold in range(5):
        splits = HashSplits(train=0.7, val=0.1, test=0.2, stratify="kind", fold=fold)
        outputs = split(rows, splits, ("id",))
        assert Counter(column(outputs, "test", "kind")) == {"usual": 72, "rare": 8}
        assert Counter(column(outputs, "val", "kind")) == {"usual": 36, "rare": 4}
        tested += column(outputs, "test", "id")
    assert sorted(int(str(i)) for i in tested) == list(range(400))


def test_fewer_groups_than_folds_are_explained(split: Callable[..., ExampleGenOutputs]) -> None:
    rows = "user,n\n" + "".join(f"{i % 8},{i}\n" for i in range(80))
    with pytest.raises(RootstockError, match="8 different keys are too few for 10 folds"):
        split(rows, HashSplits(fold=0), ("user",))


def test_folds_need_all_rows() -> None:
    with pytest.raises(RootstockError, match="expected no source with its own `split`"):
        HashSplits(fold=0).without({"test"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fold": 10}, "expected a fold below 10, because test is 0.1, received 10"),
        ({"train": 1, "val": 0, "test": 0, "fold": 0}, "expected a fold below 0"),
        ({"by": "time", "column": "day"}, "expected `val`, `test` or both"),
        ({"by": "time", "column": "day", "val": 3, "test": 2}, "expected val before test"),
        ({"by": "time", "column": "day", "val": 3, "test": "x"}, "expected val before test"),
        ({"by": "date", "column": "day"}, "does not match any of the expected tags"),
        ({"train": 0.5}, "add up to 1"),
    ],
)
def test_invalid_split_rules_are_explained(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SPEC.validate_python(given)


def test_shares_need_no_rule() -> None:
    assert SPEC.validate_python({"train": 1, "val": 0, "test": 0}) == HashSplits(
        train=1, val=0, test=0
    )


def test_indices_are_of_the_schema(tmp_path: Path) -> None:
    batch = pa.record_batch({"t": [1.0, 2.0, 3.0]})
    assert TimeSplits(column="t", val=2, test=2.5).indices(batch, ()).tolist() == [0, 1, 2]


def test_timestamps_with_a_space_are_compared_as_those_with_a_t() -> None:
    rule = TypeAdapter(Splits).validate_python(
        {"by": "time", "column": "when", "test": datetime.datetime(2024, 1, 31)}
    )
    times = ["2024-01-30 23:59:59", "2024-01-31 13:00:00", "2024-01-30T23:59:59", "2024-01-31"]
    batch = pa.RecordBatch.from_pydict({"when": times})
    assert [SPLITS[i] for i in rule.indices(batch, ())] == ["train", "test", "train", "train"]


def test_strata_of_no_rows() -> None:
    found = stratified(HashSplits(stratify="kind"), [])
    assert found.bounds == {}
