from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.artifacts import Examples
from components.data.digests import digest_tree
from components.data.slices import Slice
from components.stage import Context
from components.statistics import accumulators
from components.statistics.column_statistics import (
    BytesColumn,
    ImageColumn,
    ListColumn,
    NumericColumn,
    SplitStatistics,
    StringColumn,
    TextColumn,
    load_statistics,
)
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs

Make = Callable[[str], Context]


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, "PNG")
    return out.getvalue()


def written(root: Path, **splits: list[pa.Table]) -> Examples:
    for split, shards in splits.items():
        (root / split).mkdir(parents=True)
        for i, table in enumerate(shards):
            pq.write_table(table, root / split / f"part-{i:05d}.parquet", row_group_size=2)
    return Examples(root, "digest")


def table(rows: slice) -> pa.Table:
    nan, inf = float("nan"), float("inf")
    columns = {
        "i": pa.array([1, 2, None, 0, 1]),
        "f": pa.array([0.5, nan, inf, -2.0, None]),
        "b": pa.array([True, False, True, None, True]),
        "s": pa.array(["x", "y", "x", None, "käse"]),
        "t": pa.array(["one two", "", None, "one  two three", "one two"]),
        "l": pa.array([["a", "b"], [], None, ["a"], ["a"]]),
        "p": pa.array([png(4, 3), png(8, 5), None, png(2, 2, "L"), png(4, 3)]),
        "raw": pa.array([b"123", b"", b"1", None, b"12"]),
    }
    return pa.table(columns).slice(rows.start or 0, (rows.stop or 5) - (rows.start or 0))


def statistics(examples: Examples, context: Context) -> dict[str, SplitStatistics]:
    stage = StatisticsGen(images=("p",), texts=("t",))
    return load_statistics(stage.run(StatisticsGenInputs(examples), context).statistics)


def test_every_kind_of_column(tmp_path: Path, new_context: Make) -> None:
    examples = written(tmp_path / "e", train=[table(slice(0, 2)), table(slice(2, 5))])
    train = statistics(examples, new_context("x"))["train"]
    assert train.rows == 5
    columns = train.columns
    assert all(c.present + c.missing == 5 for c in columns.values())

    i = columns["i"]
    assert isinstance(i, NumericColumn)
    assert (i.type, i.present, i.zeros, i.minimum, i.maximum, i.mean) == ("int64", 4, 1, 0, 2, 1)
    assert i.deviation == pytest.approx(0.5**0.5)
    assert i.percentiles[0] == 0
    assert i.percentiles[-1] == 2
    assert i.values.counts == (("1", 2), ("0", 1), ("2", 1))

    f = columns["f"]
    assert isinstance(f, NumericColumn)
    assert (f.present, f.missing, f.infinite, f.mean) == (3, 2, 1, -0.75)
    assert f.log_mean == pytest.approx((0.4054651 - 1.0986123) / 2)

    b, s = columns["b"], columns["s"]
    assert isinstance(b, NumericColumn)
    assert b.values.counts == (("true", 3), ("false", 1))
    assert b.mean == 0.75
    assert isinstance(s, StringColumn)
    assert s.values.counts == (("x", 2), ("käse", 1), ("y", 1))
    assert s.characters.maximum == 4

    t = columns["t"]
    assert isinstance(t, TextColumn)
    assert (t.words.minimum, t.words.maximum, t.distinct) == (0, 3, 3)

    lists = columns["l"]
    assert isinstance(lists, ListColumn)
    assert (lists.present, lists.empty, lists.lengths.maximum) == (4, 1, 2)
    assert lists.values.counts == (("a", 3), ("b", 1))

    p, raw = columns["p"], columns["raw"]
    assert isinstance(p, ImageColumn)
    assert (p.widths.minimum, p.widths.maximum, p.heights.maximum) == (2, 8, 5)
    assert p.modes.counts == (("RGB", 3), ("L", 1))
    assert p.channel_means == p.channel_deviations == (0, 0, 0)
    assert isinstance(raw, BytesColumn)
    assert raw.sizes.maximum == 3


@pytest.mark.slow
def test_same_bytes_for_any_sharding(tmp_path: Path, new_context: Make) -> None:
    rows = pa.table({"a": [i % 90 for i in range(400)], "s": [f"v{i % 13}" for i in range(400)]})
    one = written(tmp_path / "1", train=[rows])
    four = written(tmp_path / "4", train=[rows.slice(i * 100, 100) for i in range(4)])
    first = StatisticsGen().run(StatisticsGenInputs(one), new_context("1")).statistics
    again = StatisticsGen().run(StatisticsGenInputs(one), new_context("2")).statistics
    other = StatisticsGen().run(StatisticsGenInputs(four), new_context("4")).statistics
    assert digest_tree(first.path) == digest_tree(again.path)
    a, b = load_statistics(first)["train"], load_statistics(other)["train"]
    assert a.columns["s"] == b.columns["s"]
    left, right = a.columns["a"], b.columns["a"]
    assert isinstance(left, NumericColumn)
    assert isinstance(right, NumericColumn)
    assert left.values == right.values
    assert left.percentiles == right.percentiles
    assert left.deviation == pytest.approx(right.deviation, rel=1e-12)


def test_too_many_values_are_truncated(
    tmp_path: Path, new_context: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accumulators, "MAX_DISTINCT", 3)
    rows = pa.table({"s": ["a", "b", "c", "d"]})
    examples = written(tmp_path / "e", train=[rows.slice(0, 3), rows.slice(3)], val=[rows[:2]])
    found = statistics(examples, new_context("x"))
    train, val = found["train"].columns["s"], found["val"].columns["s"]
    assert isinstance(train, StringColumn)
    assert isinstance(val, StringColumn)
    assert train.values.truncated
    assert train.values.counts == ()
    assert val.values.counts == (("a", 1), ("b", 1))


def test_proto_says_the_same(tmp_path: Path, new_context: Make) -> None:
    examples = written(tmp_path / "e", train=[table(slice(0, 5))], val=[table(slice(0, 2))])
    stage = StatisticsGen(images=("p",), texts=("t",))
    outputs = stage.run(StatisticsGenInputs(examples), new_context("x"))
    proto = statistics_pb2.DatasetFeatureStatisticsList()
    proto.ParseFromString((outputs.statistics.path / "FeatureStats.pb").read_bytes())
    assert [(d.name, d.num_examples) for d in proto.datasets] == [("train", 5), ("val", 2)]
    by_name = {f.path.step[0]: f for f in proto.datasets[0].features}
    assert list(by_name) == ["i", "f", "b", "s", "t", "l", "p", "raw"]
    assert by_name["i"].num_stats.mean == 1
    assert by_name["i"].num_stats.common_stats.num_missing == 1
    assert len(by_name["i"].num_stats.histograms[0].buckets) == 10
    assert by_name["s"].string_stats.unique == 3
    assert by_name["s"].string_stats.top_values[0].value == "x"
    assert by_name["p"].type == statistics_pb2.FeatureNameStatistics.BYTES


def test_protos_do_not_bring_tensorflow() -> None:
    code = (
        "import sys, components.statistics.statistics_proto;"
        "import components.validation.schema_checks, components.validation.anomalies;"
        "from tensorflow_metadata.proto.v0 import statistics_pb2, schema_pb2, anomalies_pb2;"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_slices_are_described_too(tmp_path: Path, new_context: Make) -> None:
    rows = pa.table({"sex": ["f", "m", None, "f"], "age": [30, 40, 50, None]})
    examples = written(tmp_path / "e", train=[rows.slice(0, 1), rows.slice(1)], test=[rows[:1]])
    stage = StatisticsGen(slices=(Slice(columns=("sex",)),))
    outputs = stage.run(StatisticsGenInputs(examples), new_context("x"))
    found = load_statistics(outputs.statistics)
    assert {name: split.rows for name, split in found.items()} == {
        "train": 4,
        "train: sex=f": 2,
        "train: sex=m": 1,
        "train: sex=missing": 1,
        "test": 1,
        "test: sex=f": 1,
    }
    age = found["train: sex=f"].columns["age"]
    assert isinstance(age, NumericColumn)
    assert (age.present, age.missing, age.mean) == (1, 1, 30)
    page = (outputs.statistics.path / "statistics.html").read_text()
    assert "train: sex=missing" in page


def test_page_shows_every_kind_of_column(tmp_path: Path, new_context: Make) -> None:
    examples = written(tmp_path / "e", train=[table(slice(0, 5))])
    stage = StatisticsGen(images=("p",), texts=("t",))
    outputs = stage.run(StatisticsGenInputs(examples), new_context("x"))
    page = (outputs.statistics.path / "statistics.html").read_text()
    kinds = ("numeric", "string", "text", "list", "image", "bytes")
    assert all(f">{kind}, " in page for kind in kinds)
    assert page.count("<section ") == page.count("</section>") == 8
    assert page.count("<img ") == 4
    assert "PNG: 4" in page
