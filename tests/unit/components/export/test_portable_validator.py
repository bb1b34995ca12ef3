"""Portable files of a model of every kind of input and task, in their own runtimes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import ExportedModel, TrainedModel
from components.evaluation.evaluator import Evaluator, EvaluatorInputs
from components.evaluation.thresholds import Threshold
from components.export.expected_outputs import read_details, read_expected
from components.export.exporter import Exporter, ExporterInputs
from components.export.portable.base import PortableFormat
from components.export.portable.litert import LiteRT
from components.export.portable.litert_int8 import LiteRTInt8
from components.export.portable.onnx import Onnx
from components.export.portable_runtime import DESCRIPTION, DIRECTORY, portable_runtime
from components.export.portable_validator import PortableValidator, PortableValidatorInputs
from components.stage import Context, Silent
from models.model_files import RECORD
from serving.server.saved_model import SavedModel
from tests.shared import Trained
from tests.trainer_data import TASKS

pytestmark = pytest.mark.slow

Make = Callable[[str], Context]
EXACT: list[PortableFormat] = [form for form in (LiteRT(), Onnx()) if not form.missing]
INT8 = LiteRTInt8()


@pytest.fixture(scope="module")
def model(shared_model: Trained, tmp_path_factory: pytest.TempPathFactory) -> ExportedModel:
    """With a calibration, an interval and a set."""
    directory = tmp_path_factory.mktemp("portable")
    shutil.copytree(shared_model.model.path, directory / "trained")
    record = json.loads((directory / "trained" / RECORD).read_text())
    record["calibrations"] = {"bright": {"name": "temperature", "temperature": 2.0}}
    record["radii"] = {"tint": 0.5, "value": 1.5}
    (directory / "trained" / RECORD).write_text(json.dumps(record))
    inputs = ExporterInputs(TrainedModel(directory / "trained"), shared_model.inputs.examples)
    return Exporter(formats=(*EXACT, INT8)).run(inputs, Context(directory, directory)).model


@pytest.fixture(scope="module")
def served(model: ExportedModel) -> SavedModel:
    return SavedModel(model.saved_model)


def test_signatures_take_apart_what_the_whole_model_does(
    model: ExportedModel, served: SavedModel
) -> None:
    raw, _ = read_expected(model.expected)
    features = served.predict("to_features", raw)
    assert {n: (v.shape[1:], v.dtype.name) for n, v in features.items()} == {
        "image": ((4, 4, 1), "uint8"),
        "note": ((4,), "int32"),
        "x": ((), "float32"),
        "colour": ((), "int32"),
    }
    np.testing.assert_array_equal(features["x"], raw["x"])
    answers = served.predict("from_features", features)
    for name, values in served.predict("detailed", raw).items():
        np.testing.assert_array_equal(answers[name], values)


@pytest.mark.parametrize("form", EXACT, ids=lambda form: form.name)
def test_exact_formats_answer_as_keras_does(
    model: ExportedModel, served: SavedModel, form: PortableFormat
) -> None:
    raw, expected = read_expected(model.expected)
    details = read_details(model.expected)
    given = portable_runtime(form, model.saved_model)(served.predict("to_features", raw))
    assert given.keys() == {*expected, "tint.set", "value.lower", "value.upper"}
    for name, values in given.items():
        np.testing.assert_allclose(values, {**details, **expected}[name], atol=1e-4, rtol=1e-4)


def test_the_description_says_what_callers_need(model: ExportedModel) -> None:
    described = json.loads((model.saved_model / DIRECTORY / DESCRIPTION).read_text("utf-8"))
    inputs = {entry["name"]: entry for entry in described["inputs"]}
    outputs = {entry["name"]: entry for entry in described["outputs"]}
    assert inputs["note"]["words"] == ["good", "bad"] and inputs["note"]["first_id"] == 2
    assert inputs["image"]["shape"] == [None, 4, 4, 1]
    assert outputs["tint.set"]["dtype"] == "bool" and len(outputs["tint"]["classes"]) == 2
    assert [f["format"] for f in described["files"]] == [f.name for f in (*EXACT, INT8)]
    size = sum(p.stat().st_size for p in (model.saved_model / DIRECTORY).iterdir())
    whole = sum(p.stat().st_size for p in model.saved_model.rglob("*") if p.is_file())
    assert model.size_mb() == round((whole - size) / 1e6, 3)


class Heard(Silent):
    def __init__(self) -> None:
        self.figures: dict[str, float | int | str] = {}

    def figure(self, name: str, value: float | int | str) -> None:
        self.figures[name] = value


def test_only_files_that_answer_alike_are_blessed(model: ExportedModel, tmp_path: Path) -> None:
    heard = Heard()
    stage = PortableValidator(formats=(*EXACT, INT8), rounds=2)
    (tmp_path / "good").mkdir()
    context = Context(tmp_path / "good", tmp_path, observer=heard)
    assert stage.run(PortableValidatorInputs(model), context).blessing.blessed()
    assert float(heard.figures["litert.difference"]) < 1e-5
    assert 1e-4 < float(heard.figures["litert_int8.difference"]) < 3  # `value` is 0 to 20
    assert {"saved_model.ms", "litert.ms", "litert_int8.mb", "litert"} <= heard.figures.keys()

    other = ExportedModel(tmp_path / "model")
    shutil.copytree(model.path, other.path)
    description = other.saved_model / DIRECTORY / DESCRIPTION
    text = description.read_text("utf-8")
    swapped = text.replace('"tensor": "tint"', '"tensor": "?"')
    swapped = swapped.replace('"tensor": "words"', '"tensor": "tint"')
    description.write_text(swapped.replace('"tensor": "?"', '"tensor": "words"'), "utf-8")
    (tmp_path / "bad").mkdir()
    blessing = stage.run(
        PortableValidatorInputs(other), Context(tmp_path / "bad", tmp_path)
    ).blessing
    assert not blessing.blessed()
    wrong = [r for r in blessing.reasons() if r.startswith("litert: 'tint': answers differ from")]
    assert len(wrong) == 1 and len(blessing.reasons()) == 2 * len(EXACT)


def test_int8_has_to_meet_the_thresholds(
    model: ExportedModel, shared_model: Trained, tmp_path: Path
) -> None:
    never = Threshold(task="bright", metric="auc", min=1.1)
    heard = Heard()
    blessing = (
        Evaluator(tasks=TASKS, thresholds=(never,), form=INT8)
        .run(
            EvaluatorInputs(model, shared_model.inputs.examples),
            Context(tmp_path, tmp_path, observer=heard),
        )
        .blessing
    )
    assert len(blessing.reasons()) == 1
    assert blessing.reasons()[0].startswith("litert_int8: test: bright.auc is ")
    assert heard.figures["form"] == "litert_int8" and 0.5 < float(heard.figures["bright.auc"]) <= 1
