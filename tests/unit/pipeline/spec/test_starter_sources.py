"""Sources of starter specs: how delimited files are spelled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from components.errors import RootstockError
from pipeline.spec.starter import write_starter

Y = ["no", "yes"] * 60


def starter(
    folder: Path,
    columns: dict[str, list[str]],
    delimiter: str = ",",
    labels: tuple[str, ...] = ("y",),
) -> tuple[dict[str, Any], list[str]]:
    """The spec of a table, and its notes on columns."""
    rows = [list(columns), *map(list, zip(*columns.values(), strict=True))]
    text = "\n".join(delimiter.join(row) for row in rows)
    (folder / "rows.csv").write_text(text, encoding="utf-8")
    notes = write_starter(folder / "rows.csv", labels, folder / "spec.yaml")
    assert notes[-1].startswith("no thresholds for "), "there are few rows"
    return yaml.safe_load((folder / "spec.yaml").read_text(encoding="utf-8")), list(notes[1:-1])


def numbers(texts: dict[int, str] | None = None) -> list[str]:
    rng = np.random.default_rng(len(texts or {}))  # whatever order tests run in
    values = [f"{x:.4f}" for x in rng.normal(size=120)]
    for row, text in (texts or {}).items():
        values[row] = text
    return values


@pytest.mark.parametrize("mark", ["n/a", "NA", "null", "None", "-", "?", "empty", "#N/A"])
def test_marks_of_missing_values(tmp_path: Path, mark: str) -> None:
    kind = ["none", "a", "NA"] * 40
    spec, notes = starter(tmp_path, {"x": numbers({3: mark, 90: mark}), "kind": kind, "y": Y})
    assert spec["inputs"] == {"x": {"kind": "numeric"}, "kind": {"kind": "categorical"}}
    assert spec["data"]["sources"][0]["null_values"] == {"x": ["", mark]}
    assert notes == [f"x: read as missing: {mark!r} (2 rows). If not, change `null_values`."]


def test_other_texts_among_numbers_are_asked_about(tmp_path: Path) -> None:
    spec, notes = starter(tmp_path, {"x": numbers({0: "broken", 1: "broken"}), "y": Y})
    assert spec["inputs"] == {"x": {"kind": "numeric"}}
    assert "98.3% of its values are numbers. Are the others really missing: 'broken'" in notes[1]
    written = (tmp_path / "spec.yaml").read_text()
    assert f"# {notes[1]}\n" in written


def test_a_column_of_fewer_numbers_stays_text_and_is_named(tmp_path: Path) -> None:
    words = dict.fromkeys(range(20), "red")
    spec, notes = starter(tmp_path, {"x": numbers(words), "z": numbers(), "y": Y})
    assert spec["inputs"] == {"z": {"kind": "numeric"}}
    [left_out, note] = notes
    assert left_out == "left out x: 101 different texts, 1.2 rows each: too few to learn from"
    assert note.startswith("x: 83.3% of its values are numbers, but it is read as text because of")


def test_decimal_commas(tmp_path: Path) -> None:
    table = {
        "price": [x.replace(".", ",") for x in numbers({5: "-"})],
        "weight": [f"{i}.{i % 7}00" for i in range(1, 121)],
        "y": Y,
    }
    spec, notes = starter(tmp_path, table, ";")
    source = spec["data"]["sources"][0]
    assert source["number_formats"] == {"price": "1.234,5", "weight": "1.234,5"}
    assert spec["inputs"] == {"price": {"kind": "numeric"}, "weight": {"kind": "numeric"}}
    assert any(n.startswith("weight: 1.234 is read as 1234") for n in notes)


def test_labels_that_are_missing(tmp_path: Path) -> None:
    labels = ["NA" if i % 10 == 0 else y for i, y in enumerate(Y)]
    spec, notes = starter(tmp_path, {"x": numbers(), "y": labels})
    assert spec["tasks"]["y"] == {"kind": "binary", "label": "y", "positive": "yes"}
    assert spec["data"]["sources"][0]["null_values"] == {"y": ["", "NA"]}
    assert "'NA' (12 rows); these rows do not train the task" in notes[0]


def test_few_codes_beside_none_stay_categories(tmp_path: Path) -> None:
    spec, notes = starter(tmp_path, {"grade": ["1", "2", "none"] * 40, "y": Y})
    assert spec["inputs"] == {"grade": {"kind": "categorical"}}
    assert notes == []


def test_spaces_around_values(tmp_path: Path) -> None:
    table = {"job": [" cook", " ?"] * 60, "x": [f" {x}" for x in numbers({4: "?"})], "y": Y}
    spec, _ = starter(tmp_path, table)
    source = spec["data"]["sources"][0]
    assert source["strip"] is True
    assert source["null_values"] == {"x": ["", "?"]}
    assert spec["inputs"]["x"] == {"kind": "numeric"}


def test_a_mark_that_only_the_test_rows_have(tmp_path: Path) -> None:
    for split, texts in (("train", {}), ("test", {7: "n/a"})):
        (tmp_path / "data" / split).mkdir(parents=True)
        rows = [f"{x},{y}" for x, y in zip(numbers(texts), Y, strict=True)]
        (tmp_path / "data" / split / "a.csv").write_text("\n".join(["x,y", *rows]))
    write_starter(tmp_path / "data", ["y"], tmp_path / "spec.yaml")
    spec = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    assert [s["null_values"] for s in spec["data"]["sources"]] == [{"x": ["", "n/a"]}] * 2


@pytest.mark.parametrize("absent", ["x", "y"])
def test_test_rows_without_a_column_are_refused(tmp_path: Path, absent: str) -> None:
    for split, header in (("train", "x,y"), ("test", f"{absent}x,{'x' if absent == 'y' else 'y'}")):
        (tmp_path / "data" / split).mkdir(parents=True)
        rows = [f"{x},{y}" for x, y in zip(numbers({}), Y, strict=True)]
        (tmp_path / "data" / split / "a.csv").write_text("\n".join([header, *rows]))
    with pytest.raises(RootstockError, match=rf"test/\S+ has no column '{absent}', .*train/"):
        write_starter(tmp_path / "data", ["y"], tmp_path / "spec.yaml")


def test_images_that_are_not_beside_the_table(tmp_path: Path) -> None:
    table = {"file": [f"far/{i}.jpg" for i in range(120)], "x": numbers(), "y": Y}
    spec, notes = starter(tmp_path, table)
    assert spec["data"]["sources"][0]["format"] == "csv"
    assert any(
        "names of images, such as 'far/0.jpg', but none of them is beside" in n for n in notes
    )
