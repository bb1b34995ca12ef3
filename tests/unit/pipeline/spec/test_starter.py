"""First specs, made from a look at the data."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from components.errors import RootstockError
from components.ingestion.splits import HashSplits
from models.inputs.image import NOT_AN_IMAGE
from pipeline.spec.guesses import guess_input, guess_task
from pipeline.spec.starter import write_starter
from tests.command_line import call

ROWS = 200
RNG = np.random.default_rng(0)


def png(width: int, height: int, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, "PNG")
    return out.getvalue()


def column(values: object) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(list(values))])  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("size", RNG.normal(size=ROWS), {"kind": "numeric"}),
        ("count", [1, 2] * 100, {"kind": "numeric"}),
        ("flag", [True, None] * 100, {"kind": "numeric"}),
        ("user_id", range(ROWS), "a value of its own in each row, such as 0"),
        ("paid", range(ROWS), {"kind": "numeric"}),
        ("colour", ["red", "green", None] * 50, {"kind": "categorical"}),
        (
            "street",
            [f"s{i // 1.5:.0f}" for i in range(ROWS)],
            "133 different texts, 1.5 rows each: too few to learn from",
        ),
        ("city", [f"c{i % 20}" for i in range(ROWS)], {"kind": "categorical"}),
        ("store_id", [i % 7 for i in range(ROWS)], {"kind": "categorical"}),
        ("code", [f"c{i}" for i in range(ROWS)], "a value of its own in each row, such as 'c0'"),
        ("note", ["one two three four", "five six seven eight nine"] * 9, {"kind": "text"}),
        ("note", ["one two three four", "five six seven eight"] * 40, {"kind": "categorical"}),
        (
            "day",
            ["2024-02-03", "2024-11-30T10:00"] * 9,
            {"kind": "categorical", "part": ("month", "weekday")},
        ),
        (
            "day",
            ["1/31/2023", "12/5/2024"] * 9,
            {"kind": "categorical", "part": ("year", "month", "weekday"), "date_format": "m/d/y"},
        ),
        (
            "at",
            ["31.1.2024 8:05", "1.12.2024 17:30"] * 9,
            {"kind": "categorical", "part": ("month", "weekday", "hour"), "date_format": "d.m.y"},
        ),
        ("empty", [None, None], "no values in its first rows"),
        ("photo", [png(30, 20), None] * 3, {"kind": "image", "height": 20, "width": 30}),
        ("large", [png(448, 112)], {"kind": "image", "height": 56, "width": 224}),
        ("scan", [png(8, 8, "L")], {"kind": "image", "height": 8, "width": 8, "channels": 1}),
        ("blob", [b"\x00\x01"], f"bytes that are not all images: one {NOT_AN_IMAGE}"),
        ("tags", [["a"], ["b", "c"]], "list<item: string> values"),
    ],
)
def test_inputs(name: str, values: object, expected: object) -> None:
    assert guess_input(name, column(values)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["no", "yes", "no"], {"kind": "binary", "positive": "yes"}),
        (["ham", "spam", "spam"], {"kind": "binary", "positive": "spam"}),
        (["left", "right", "left"], {"kind": "binary", "positive": "right"}),
        ([0, 1, 0, None], {"kind": "binary", "positive": "1"}),
        ([1, 2] * 20, {"kind": "binary", "positive": "1"}),
        ([3.0, 7.0] * 20, {"kind": "binary", "positive": "7"}),
        ([True, False], {"kind": "binary", "positive": "true"}),
        (["a", "b", "c"], {"kind": "multiclass"}),
        ([0, 1, 2] * 30, {"kind": "multiclass"}),
        (range(500), {"kind": "regression"}),
        ([0.5, 1.5, None], {"kind": "regression"}),
        ([["a"], ["a", "b"]], {"kind": "multilabel"}),
        (["a", "b", "a,b", "c, a"] * 9, {"kind": "multilabel", "separator": ","}),
        (["red|big", "big", "red", "big|new"] * 9, {"kind": "multilabel", "separator": "|"}),
        (["Bern, CH", "Oslo, NO", "Rome, IT"] * 9, {"kind": "multiclass"}),
    ],
)
def test_tasks(values: object, expected: dict[str, object]) -> None:
    assert guess_task(column(values), "y") == {"label": "y"} | expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", "a"], "--label y: one value in the first 2 rows"),
        ([None, None], "--label y: no value in the first 2 rows"),
        ([f"t{i}" for i in range(300)], "--label y: 300 different texts"),
        ([f"t{i},u{i}" for i in range(300)], "`kind: multilabel` and `separator: ','`"),
        ([b"x", b"y"], "--label y: the column holds binary values"),
    ],
)
def test_columns_that_cannot_be_predicted_are_explained(values: object, message: str) -> None:
    with pytest.raises(RootstockError, match=message):
        guess_task(column(values), "y")


TABLE = pa.table(
    {
        "order id": [f"o{i}" for i in range(ROWS)],
        "2nd size": RNG.normal(size=ROWS),
        "city": RNG.choice(["Bern", "Oslo", "Rome"], ROWS),
        "churn?": RNG.choice(["yes", "no"], ROWS),
        "spend": RNG.normal(size=ROWS),
    }
)


def unjudged(tasks: str) -> str:
    few = "the test split may have fewer than 40 rows, groups or rows of a class"
    rest = "Until you add some, a model is pushed whatever its metrics are."
    return f"no thresholds for {tasks}: {few}. {rest}"


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt.csv", ".parquet"])
def test_a_table(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"orders{suffix}"
    if suffix == ".parquet":
        pq.write_table(TABLE, file)
    else:
        delimiter = {".tsv": "\t", ".txt.csv": ";"}.get(suffix, ",")
        rows = [TABLE.column_names, *(map(str, row.values()) for row in TABLE.to_pylist())]
        file.write_text("\n".join(delimiter.join(row) for row in rows))
    notes = write_starter(file, ["churn?", "spend"], tmp_path / "spec.yaml")
    assert notes == (
        "5 columns: 2 read, 2 predicted, 1 left out.",
        "left out order id: a value of its own in each row, such as 'o0'",
        unjudged("churn_, spend"),
    )
    spec = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    assert spec["name"] == "orders"
    assert spec["data"]["sources"][0]["path"] == file.name
    assert spec["inputs"] == {
        "nd_size": {"kind": "numeric", "column": "2nd size"},
        "city": {"kind": "categorical"},
    }
    assert spec["tasks"] == {
        "churn_": {"kind": "binary", "label": "churn?", "positive": "yes"},
        "spend": {"kind": "regression", "label": "spend"},
    }
    with pytest.raises(RootstockError, match="exists already"):
        write_starter(file, ["churn?"], tmp_path / "spec.yaml")


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (("train", "test"), {"train": 0.9, "val": 0.1, "test": 0.0, "stratify": "class"}),
        (("train", "val"), {"train": 0.8, "val": 0.0, "test": 0.2, "stratify": "class"}),
        (("train", "val", "test"), {"train": 1.0, "val": 0.0, "test": 0.0}),
        ((), {"train": 0.6, "val": 0.2, "test": 0.2, "stratify": "class"}),
    ],
)
def test_folders_of_classes(
    tmp_path: Path, splits: tuple[str, ...], expected: dict[str, float] | None
) -> None:
    for split in splits or ("",):
        for name in ("cat", "dog", "car"):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            (tmp_path / "pets" / split / name / "1.png").write_bytes(png(12, 10))
    write_starter(tmp_path / "pets", [], tmp_path / "spec.yaml")
    spec = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    assert spec["data"].get("splits") == expected
    assert [s.get("split") for s in spec["data"]["sources"]] == [None, *splits[1:]]
    assert spec["inputs"] == {"image": {"kind": "image", "height": 10, "width": 12}}
    assert spec["tasks"] == {"class": {"kind": "multiclass", "label": "class"}}


@pytest.mark.parametrize(
    ("image", "augmented"),
    [(png(32, 24), True), (png(32, 20), False), (png(64, 64, "L"), False)],
    ids=["photograph", "small", "grey"],
)
def test_photographs_are_augmented(tmp_path: Path, image: bytes, augmented: bool) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        (tmp_path / "pets" / name / "1.png").write_bytes(image)
    notes = write_starter(tmp_path / "pets", [], tmp_path / "spec.yaml")
    training = yaml.safe_load((tmp_path / "spec.yaml").read_text()).get("training", {})
    expected = {"flip": True, "shift": 0.1, "unless_frozen": True}
    assert training.get("augment") == (expected if augmented else None)
    assert any("Remove `flip` if" in note for note in notes) == augmented


def test_files_of_another_kind_do_not_hide_the_images_and_are_named(tmp_path: Path) -> None:
    pets = tmp_path / "pets"
    for name in ("cat", "dog"):
        (pets / name / "camera" / "monday").mkdir(parents=True)
        (pets / name / "camera" / "monday" / "1.PNG").write_bytes(png(12, 10))
    (pets / "a.txt").write_text("taken at home")
    (pets / "cat" / "Thumbs.db").write_bytes(b"")
    notes = write_starter(pets, [], tmp_path / "spec.yaml")
    spec = yaml.safe_load((tmp_path / "spec.yaml").read_text())
    assert spec["data"]["sources"][0]["format"] == "image_folder"
    said = f"{pets}: 2 of 4 files are not read as .png files: a.txt, cat/Thumbs.db"
    assert said in notes


def test_one_folder_is_not_two_classes(tmp_path: Path) -> None:
    (tmp_path / "pets" / "cat").mkdir(parents=True)
    (tmp_path / "pets" / "cat" / "1.png").write_bytes(png(32, 24))
    with pytest.raises(RootstockError, match=r"pets: all files are in one folder, cat, so there"):
        write_starter(tmp_path / "pets", [], tmp_path / "spec.yaml")


def test_no_column_is_lost(tmp_path: Path) -> None:
    """Names that were alike without the characters that names could not have."""
    columns = ["身長", "体重", "a b", "a_b", "a(b", "1", "2", "y"]
    values = RNG.normal(size=(50, len(columns)))
    rows = [",".join(columns), *(",".join(map(str, row)) for row in values)]
    (tmp_path / "rows.csv").write_text("\n".join(rows), encoding="utf-8")
    target = tmp_path / "a" / "new" / "spec.yaml"
    notes = write_starter(tmp_path / "rows.csv", ["y"], target)
    assert notes == ("8 columns: 7 read, 1 predicted.", unjudged("y"))
    spec = yaml.safe_load(target.read_text(encoding="utf-8"))
    assert {k: v.get("column", k) for k, v in spec["inputs"].items()} == {
        "身長": "身長",
        "体重": "体重",
        "a_b_2": "a b",
        "a_b": "a_b",
        "a_b_3": "a(b",
        "column": "1",
        "column_2": "2",
    }


def test_init_explains_what_it_cannot_do(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n2,y\n3,x\n")
    (tmp_path / "rows.docx").write_text("?")
    for given, message in (
        (["rows.csv"], "should be predicted? Name each with --label. Columns there: a, b."),
        (["rows.csv", "--label", "c"], "--label c: no such column in rows.csv. Columns: a, b."),
        (["none.csv", "--label", "b"], "none.csv: does not exist"),
        (["rows.docx", "--label", "b"], "`init` cannot read such files"),
    ):
        code, _, err = call(tmp_path, "init", *given)
        assert (code, message in err) == (2, True), err
        assert "Traceback" not in err
        assert not (tmp_path / "spec.yaml").exists()


def test_validate_names_the_columns_that_nothing_reads(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("size,age,day,y\n1,2,x,0\n2,1,z,1\n")
    (tmp_path / "spec.yaml").write_text(
        "name: rows\ndata: {sources: [{format: csv, path: rows.csv}]}\n"
        "inputs: {size: {kind: numeric}}\ntasks: {y: {kind: binary, label: y, positive: 1}}\n"
    )
    code, out, _ = call(tmp_path, "validate", "spec.yaml")
    assert (code, "Not used: 2 of 4 columns: age, day." in out) == (0, True), out


def written(folder: Path, table: pa.Table, *labels: str) -> tuple[dict[str, Any], list[str]]:
    """The spec for a table of texts and numbers, and its notes."""
    rows = [table.column_names, *(map(str, row.values()) for row in table.to_pylist())]
    (folder / "rows.csv").write_text("\n".join(",".join(row) for row in rows))
    notes = write_starter(folder / "rows.csv", labels, folder / "spec.yaml")
    return yaml.safe_load((folder / "spec.yaml").read_text()), list(notes)


@pytest.mark.parametrize(
    ("grades", "said"), [(range(1, 7), True), ("abcdef", False), ("12", False)]
)
def test_whole_numbers_as_classes_are_said(tmp_path: Path, grades: Any, said: bool) -> None:
    y = (list(grades) * ROWS)[:ROWS]
    spec, notes = written(tmp_path, pa.table({"x": RNG.normal(size=ROWS), "y": y}), "y")
    assert spec["tasks"]["y"]["kind"] == ("binary" if grades == "12" else "multiclass")
    assert any("If they are grades or counts" in note for note in notes) == said


@pytest.mark.parametrize("name", ["subject#", "patient_id", "userId", "Subject", "participant no"])
@pytest.mark.parametrize("texts", [False, True])
def test_groups_of_rows_stay_in_one_split(tmp_path: Path, name: str, texts: bool) -> None:
    who = [f"P{i // 25:02}" if texts else i // 25 for i in range(ROWS)]
    table = pa.table({name: who, "x": RNG.normal(size=ROWS), "y": ["a", "b"] * 100})
    spec, notes = written(tmp_path, table, "y")
    assert spec["data"]["key"] == [name]
    assert list(spec["inputs"]) == ["x"]
    assert f"left out {name}: 8 groups of rows; `data.key` is {name!r}" in notes[1]
    assert f"{name}: only 8 groups, so that figures of the evaluation are uncertain." in notes
    splits = HashSplits(**spec["data"].get("splits", {}))
    (rows,) = pa.table({name: who}).to_batches()
    assert set(splits.indices(rows, [name])) == {0, 1, 2}


def test_of_patients_and_their_visits_patients_are_the_key(tmp_path: Path) -> None:
    table = pa.table(
        {
            "visit_id": [i // 5 for i in range(ROWS)],
            "patient": [i // 25 for i in range(ROWS)],
            "number of children": RNG.integers(0, 5, ROWS),
            "age group": ["young", "old"] * 100,
            "y": ["a", "b"] * 100,
        }
    )
    spec, _ = written(tmp_path, table, "y")
    assert spec["data"]["key"] == ["patient"]
    assert list(spec["inputs"]) == ["number_of_children", "age_group"]


def test_dates_have_several_inputs(tmp_path: Path) -> None:
    days = [f"{i % 12 + 1}/{i % 28 + 1}/{2020 + i % 3}" for i in range(ROWS)]
    table = pa.table({"day": days, "day_month": [1, 2] * 100, "y": ["a", "b"] * 100})
    spec, notes = written(tmp_path, table, "y")
    date = {"kind": "categorical", "column": "day", "date_format": "m/d/y"}
    assert spec["inputs"] == {
        "day_year": {**date, "part": "year"},
        "day_month_2": {**date, "part": "month"},
        "day_weekday": {**date, "part": "weekday"},
        "day_month": {"kind": "numeric"},
    }
    assert (
        "day: its dates, taken as m/d/y, are read by day_year, day_month_2, day_weekday." in notes
    )


def test_a_column_that_names_the_split(tmp_path: Path) -> None:
    parts = ["training"] * 140 + ["dev"] * 30 + ["test"] * 30
    table = pa.table({"split": parts, "x": RNG.normal(size=ROWS), "y": ["a", "b"] * 100})
    spec, notes = written(tmp_path, table, "y")
    assert spec["data"]["splits"] == {
        "by": "column",
        "column": "split",
        "values": {"training": "train", "dev": "val", "test": "test"},
    }
    assert list(spec["inputs"]) == ["x"]
    assert "left out split: names the split of each row" in notes


def test_a_table_of_image_paths(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.png").write_bytes(png(12, 10))
    for i in range(1, 20):
        os.link(tmp_path / "images" / "0.png", tmp_path / "images" / f"{i}.png")
    paths = [f"images/{i}.png" for i in range(20)]
    table = pa.table({"file": paths, "animal": ["cat", "dog"] * 10, "size": [1.5, 2.5] * 10})
    spec, notes = written(tmp_path, table, "animal")
    assert spec["data"]["sources"][0] == {
        "format": "image_manifest",
        "path": "rows.csv",
        "column": "file",
    }
    assert spec["inputs"] == {"image": {"kind": "image", "height": 10, "width": 12}}
    assert notes[0] == "4 columns: 1 read, 1 predicted, 2 left out."
    assert "left out file: the path of the image" in notes
    assert any(n.startswith("left out size: beside the image") for n in notes)
    (tmp_path / "spec.yaml").unlink()
    spec, notes = written(tmp_path, table.rename_columns(["image", "animal", "size"]), "animal")
    assert spec["data"]["sources"][0]["column"] == "image"
    assert list(spec["inputs"]) == ["image"]
    assert notes[0] == "3 columns: 1 read, 1 predicted, 1 left out."


def test_many_levels(tmp_path: Path) -> None:
    """The frequent ones are kept, if they cover most rows."""
    levels = [f"v{i // 20}" for i in range(30_000)] + [f"w{i}" for i in range(2_000)]
    guess = guess_input("place", column(levels))
    assert guess == {"kind": "categorical", "max_values": 1500}
    rare = guess_input("place", column([f"v{i // 4}" for i in range(8_000)]))
    assert rare == "2,000 different texts, 4.0 rows each: too few to learn from"


def test_a_label_that_numbers_the_rows_is_doubted(tmp_path: Path) -> None:
    table = pa.table({"x": RNG.normal(size=60), "row": RNG.permutation(60) + 7})
    pq.write_table(table, tmp_path / "rows.parquet")
    notes = write_starter(tmp_path / "rows.parquet", ["row"], tmp_path / "spec.yaml")
    assert any(note.startswith("row: it numbers the rows") for note in notes)
    with pytest.raises(RootstockError, match=r"--label row: it numbers the rows.*rootstock init"):
        write_starter(tmp_path / "rows.parquet", ["row"], tmp_path / "auto.yaml", asks=False)
    assert not (tmp_path / "auto.yaml").exists()
    notes = write_starter(tmp_path / "rows.parquet", ["x"], tmp_path / "other.yaml")
    assert not any("it numbers the rows" in note for note in notes)


def test_rows_of_one_group_cannot_be_divided(tmp_path: Path) -> None:
    columns = {"x": RNG.normal(size=60), "y": RNG.normal(size=60), "ward": ["a"] * 60}
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    with pytest.raises(RootstockError, match="--group ward: one value in the first 60 rows"):
        write_starter(tmp_path / "rows.parquet", ["y"], tmp_path / "spec.yaml", "ward")


@pytest.mark.parametrize(
    ("rows", "read", "said"), [(40, "text", True), (400, "text", False), (40, "number", False)]
)
def test_few_labels_of_texts_or_images_want_a_pretrained_trunk(
    tmp_path: Path, rows: int, read: str, said: bool
) -> None:
    texts = [f"message {i} of {RNG.integers(10**9)} words and more" for i in range(rows)]
    x = texts if read == "text" else RNG.normal(size=rows)
    y = ["ab"[i % 2] for i in range(rows)]
    _, notes = written(tmp_path, pa.table({"x": x, "y": y}), "y")
    assert ("y: 40 labelled rows. With fewer than 300" in " ".join(notes)) == said


FIFTHS = {"train": 0.6, "val": 0.2, "test": 0.2, "stratify": "y"}


@pytest.mark.parametrize(
    ("rows", "every", "expected"), [(600, 15, FIFTHS), (600, 2, {}), (1200, 30, {"stratify": "y"})]
)
def test_every_split_gets_rows_of_a_scarce_class(
    tmp_path: Path, rows: int, every: int, expected: dict[str, object]
) -> None:
    """Two thirds of the rows have no label, and every so many others are spam."""
    texts = [f"message {i} of {RNG.integers(10**9)} words and more" for i in range(rows)]
    y = ["" if i % 3 else "spam" if i % every == 0 else "ham" for i in range(rows)]
    spec, notes = written(tmp_path, pa.table({"x": texts, "y": y}), "y")
    said = " ".join(notes)
    assert ("y: a class has few rows" in said) == bool(expected)
    assert ("get a fifth each" in said) == ("val" in expected)
    assert spec["data"].get("splits", {}) == expected
