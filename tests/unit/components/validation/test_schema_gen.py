from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import schema_pb2

from components.artifacts import SourceFiles, Statistics
from components.errors import RootstockError
from components.stage import Context
from components.statistics.column_statistics import (
    ImageColumn,
    ListColumn,
    NumericColumn,
    SplitStatistics,
    StringColumn,
    TextColumn,
    ValueCounts,
    save_statistics,
)
from components.validation.schema import load_schema
from components.validation.schema_checks import schema_findings
from components.validation.schema_gen import SchemaGen, SchemaGenInputs

Make = Callable[[str], Context]


@pytest.fixture
def splits() -> tuple[SplitStatistics, ...]:
    def columns(value: str, missing: int) -> dict[str, object]:
        common = {"present": 10 - missing, "missing": missing}
        return {
            "i": NumericColumn(name="i", type="int64", present=10, minimum=0, maximum=5),
            "f": NumericColumn(name="f", type="double", minimum=-1.0, maximum=1.0, **common),
            "b": NumericColumn(name="b", type="bool", present=10),
            "s": StringColumn(
                name="s", type="string", present=10, values=ValueCounts(counts=((value, 10),))
            ),
            "id": StringColumn(
                name="id",
                type="string",
                present=10,
                values=ValueCounts(counts=tuple((f"{value}{i}", 1) for i in range(10))),
            ),
            "t": TextColumn(name="t", type="string", present=10),
            "l": ListColumn(name="l", type="list<item: int64>", present=10),
            "p": ImageColumn(name="p", type="binary", present=10),
        }

    return (
        SplitStatistics(name="train", rows=10, columns=columns("x", 0)),  # type: ignore[arg-type]
        SplitStatistics(name="test", rows=10, columns=columns("y", 1)),  # type: ignore[arg-type]
    )


@pytest.fixture
def statistics(tmp_path: Path, splits: tuple[SplitStatistics, ...]) -> Statistics:
    (tmp_path / "statistics").mkdir()
    save_statistics(splits, tmp_path / "statistics")
    return Statistics(tmp_path / "statistics", "digest")


def test_infers_types_presence_and_domains(statistics: Statistics, new_context: Make) -> None:
    outputs = SchemaGen().run(SchemaGenInputs(statistics), new_context("x"))
    schema = load_schema(outputs.schema)
    by_name = {f.name: f for f in schema.feature}
    types = {name: schema_pb2.FeatureType.Name(f.type) for name, f in by_name.items()}
    assert types == {
        "i": "INT",
        "f": "FLOAT",
        "b": "INT",
        "s": "BYTES",
        "id": "BYTES",
        "t": "BYTES",
        "l": "INT",
        "p": "BYTES",
    }
    assert by_name["i"].presence.min_fraction == 1.0
    assert by_name["i"].int_domain.min == 0
    assert not by_name["f"].presence.HasField("min_fraction")
    assert list(by_name["s"].string_domain.value) == ["x", "y"]
    assert not by_name["id"].HasField("string_domain")
    assert by_name["p"].HasField("image_domain")
    assert by_name["t"].HasField("natural_language_domain")


def test_inferred_schema_fits_its_own_data(
    statistics: Statistics, splits: tuple[SplitStatistics, ...], new_context: Make
) -> None:
    outputs = SchemaGen().run(SchemaGenInputs(statistics), new_context("x"))
    found = schema_findings({s.name: s for s in splits}, load_schema(outputs.schema))
    assert list(found) == []


def test_curated_schema_is_used_as_it_is(
    statistics: Statistics, new_context: Make, tmp_path: Path
) -> None:
    text = '# ours\nfeature { name: "i"  type: INT }\n'
    (tmp_path / "schema.pbtxt").write_text(text)
    curated = SourceFiles(tmp_path / "schema.pbtxt", "digest")
    outputs = SchemaGen().run(SchemaGenInputs(statistics, curated), new_context("x"))
    assert (outputs.schema.path / "schema.pbtxt").read_text() == text
    (tmp_path / "schema.pbtxt").write_text('feature { nmae: "i" }')
    with pytest.raises(RootstockError, match=r"schema\.pbtxt: 1:11.*no field named \"nmae\""):
        SchemaGen().run(SchemaGenInputs(statistics, curated), new_context("y"))
