from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts import SourceFiles
from components.errors import RootstockError
from components.inference.bulk_inferrer import BulkInferrer, BulkInferrerInputs, BulkInferrerOutputs
from components.inference.prediction_writers import PredictionFormat
from components.ingestion.readers.delimited import CsvReader
from components.ingestion.readers.jsonl import JsonLinesReader
from components.ingestion.readers.tfrecord import TFRecordReader
from components.stage import Context
from models.inputs.categorical import CategoricalInput
from models.inputs.numeric import NumericInput
from pipeline.cli.main import main
from serving.versions.directory import Directory
from tests.small_model import answers, write_model

Make = Callable[[str], Context]
INPUTS = (
    NumericInput(name="hours-per-week", column="hours"),
    CategoricalInput(name="job", column="job"),
)
HOURS = np.array([i / 100 - 10 for i in range(2000)])
JOBS = np.array([("cook", "smith", "poet")[i % 3] for i in range(2000)], object)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> SourceFiles:
    trained = write_model(tmp_path_factory.mktemp("model") / "m")
    return SourceFiles(trained.saved_model, "digest")


@pytest.fixture
def people(tmp_path: Path) -> CsvReader:
    for part in range(2):
        rows = range(part * 1000, part * 1000 + 1000)
        lines = "".join(f"{i},{HOURS[i]},{JOBS[i]},x\n" for i in rows)
        (tmp_path / f"{part}.csv").write_text("id,hours,job,note\n" + lines)
    return CsvReader(path=str(tmp_path / "*.csv"))


def infer(
    model: SourceFiles, reader: CsvReader, context: Context, **params: object
) -> BulkInferrerOutputs:
    stage = BulkInferrer(sources=(reader,), inputs=INPUTS, **params)  # type: ignore[arg-type]
    return stage.run(BulkInferrerInputs(model, (SourceFiles(Path(reader.path), "d"),)), context)


def test_answers_of_every_row_beside_its_key(
    model: SourceFiles, people: CsvReader, new_context: Make
) -> None:
    outputs = infer(model, people, new_context("x"))
    found = pa.concat_tables(
        pq.read_table(f) for f in sorted(outputs.predictions.path.glob("*.parquet"))
    )
    assert found.column_names == [
        "id",
        "note",
        "predicted_age",
        "predicted_income",
        "predicted_job_class",
    ]
    assert found.column("id").to_pylist() == list(range(2000))
    expected = answers({"hours-per-week": HOURS.astype("float32"), "job": JOBS}, 1.0)
    np.testing.assert_allclose(found.column("predicted_age"), expected["age"][:, 0], atol=1e-4)
    classes = np.array(found.column("predicted_job_class").to_pylist())
    np.testing.assert_allclose(classes, expected["job_class"], rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("kind", ["jsonl", "tfrecord"])
def test_formats_hold_the_same(
    model: SourceFiles, people: CsvReader, new_context: Make, kind: PredictionFormat
) -> None:
    plain = infer(model, people, new_context("p"), keep=("id", "job"))
    other = infer(model, people, new_context("o"), keep=("id", "job"), output_format=kind)
    file = other.predictions.path / f"part-00001.{kind}"
    reader = (JsonLinesReader if kind == "jsonl" else TFRecordReader)(path=str(file))
    rows = reader.peek(1000).to_pylist()
    expected = pq.read_table(plain.predictions.path / "part-00001.parquet").to_pylist()
    assert [{**row} for row in rows] == [
        {**row, "predicted_job_class": pytest.approx(row["predicted_job_class"])}
        | {f"predicted_{t}": pytest.approx(row[f"predicted_{t}"]) for t in ("age", "income")}
        for row in expected
    ]


def test_bad_rows_and_columns_that_are_not_there(
    model: SourceFiles, people: CsvReader, new_context: Make, tmp_path: Path
) -> None:
    with open(tmp_path / "1.csv", "a") as file:
        file.write("too,few\n")
    with pytest.raises(RootstockError, match=r"1 of 2001 records cannot be used"):
        infer(model, people, new_context("a"))
    outputs = infer(model, people, new_context("b"), max_bad_fraction=0.01)
    assert outputs.quarantine.records()[0]["position"] == 1002
    with pytest.raises(RootstockError, match=r"no column 'key' to keep"):
        infer(model, people, new_context("c"), keep=("key",), max_bad_fraction=0.01)
    (tmp_path / "1.csv").unlink()
    (tmp_path / "0.csv").write_text("id,hours\n1,2\n")
    with pytest.raises(RootstockError, match=r"input 'job': no column 'job'"):
        infer(model, people, new_context("d"))


def test_from_the_command_line(
    model: SourceFiles, people: CsvReader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "people.yaml"
    spec.write_text(
        "name: people\n"
        "data: {sources: [{format: csv, path: train.csv}]}\n"
        "inputs:\n"
        "  hours-per-week: {kind: numeric, column: hours}\n"
        "  job: {kind: categorical}\n"
        "tasks: {income: {kind: binary, label: rich, positive: 'yes'}}\n"
    )
    command = ["infer", str(spec), people.path, "--as", "jsonl", "--keep", "id"]
    command += ["--output", str(tmp_path / "out")]
    assert main(command) == 2
    assert "no model has been pushed yet" in capsys.readouterr().err
    Directory(tmp_path / ".rootstock" / "serving").push("people", model.path, "digest", None)
    assert main(command) == 0
    assert "out: 2,000 rows" in capsys.readouterr().out
    first = json.loads((tmp_path / "out" / "part-00000.jsonl").read_text().splitlines()[0])
    assert first["id"] == 0
    assert first["predicted_age"] == pytest.approx(40 + 10 * HOURS[0])
    assert main(command) == 2
    assert "already exists" in capsys.readouterr().err


def test_what_is_no_model(people: CsvReader, new_context: Make, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(RootstockError, match="other: cannot be loaded"):
        infer(SourceFiles(tmp_path / "other", "d"), people, new_context("x"))
