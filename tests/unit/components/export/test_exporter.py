"""Exporter: SavedModels of a trained model in other forms, asked as a server asks them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import Examples, ExportedModel, TrainedModel
from components.errors import RootstockError
from components.export.expected_outputs import EXPECTED_ROWS, read_expected
from components.export.exporter import Exporter, ExporterInputs
from components.export.infra_validator import InfraValidator, InfraValidatorInputs
from components.export.keras_model import load_keras
from components.export.settings import Export
from components.stage import Context
from models.description import read_description
from models.model_files import RECORD, WEIGHTS
from serving.server.saved_model import SavedModel
from tests.shared import Trained
from tests.trainer_data import FEATURES

pytestmark = pytest.mark.slow

Make = Callable[[str], Context]


Exports = Callable[[str, bool], ExportedModel]


@pytest.fixture(scope="module")
def exports(shared_model: Trained, tmp_path_factory: pytest.TempPathFactory) -> Exports:
    """The shared model in a form (weights, compiled or not), exported once."""

    @cache
    def export(weights: str, xla: bool) -> ExportedModel:
        directory = tmp_path_factory.mktemp(weights)
        context = Context(directory, directory)
        return exported(shared_model.model, shared_model.inputs.examples, context, weights, xla)

    return export


@pytest.fixture(scope="module")
def plain(exports: Exports) -> ExportedModel:
    """Exported in float32, not compiled."""
    return exports("float32", False)


def exported(
    model: TrainedModel, examples: Examples, context: Context, weights: str, xla: bool
) -> ExportedModel:
    stage = Exporter(weights=weights, xla=xla)  # type: ignore[arg-type]
    return stage.run(ExporterInputs(model, examples), context).model


def size(model: ExportedModel) -> int:
    return sum(p.stat().st_size for p in (model.saved_model / "variables").iterdir())


def difference(model: ExportedModel) -> float:
    raw, expected = read_expected(model.expected)
    served = SavedModel(model.saved_model)
    answers = served.predict("serving_default", raw)
    served.close()
    return max(float(np.abs(answers[t] - expected[t]).max()) for t in expected)


def test_the_rebuilt_and_the_served_model_give_the_same_predictions(
    shared_model: Trained, plain: ExportedModel
) -> None:
    raw, expected = read_expected(plain.expected)
    assert set(raw) == {f.name for f in FEATURES}
    assert {t: v.shape for t, v in expected.items()} == {
        "bright": (EXPECTED_ROWS, 1),
        "tint": (EXPECTED_ROWS, 2),
        "words": (EXPECTED_ROWS, 2),
        "value": (EXPECTED_ROWS, 1),
    }
    loaded = load_keras(shared_model.model)
    for task, values in expected.items():
        np.testing.assert_allclose(loaded(raw)[task], values, atol=1e-6)
    assert difference(plain) < 1e-5
    assert 0 < expected["value"].mean() < 20  # in the label's unit


def test_what_rebuilds_the_model_goes_along(shared_model: Trained, plain: ExportedModel) -> None:
    for name in (RECORD, WEIGHTS):
        assert (plain.path / name).samefile(shared_model.model.path / name)


def calibrated(model: TrainedModel, directory: Path) -> TrainedModel:
    """The model with a calibration of its first task."""
    shutil.copytree(model.path, directory)
    record = json.loads((directory / RECORD).read_text())
    record["calibrations"] = {"bright": {"name": "temperature", "temperature": 2.0}}
    record["radii"] = {"tint": 0.5, "value": 1.5}
    (directory / RECORD).write_text(json.dumps(record))
    return TrainedModel(directory)


def test_training_rows_are_expected_outputs_where_there_is_no_validation(
    shared_model: Trained, new_context: Make, tmp_path: Path
) -> None:
    shutil.copytree(shared_model.inputs.examples.path / "train", tmp_path / "examples" / "train")
    without = Examples(tmp_path / "examples")
    model = calibrated(shared_model.model, tmp_path / "model")
    made = exported(model, without, new_context("no val"), "float32", False)
    raw, expected = read_expected(made.expected)
    assert len(raw["x"]) == EXPECTED_ROWS

    before = {task: answer.numpy() for task, answer in load_keras(shared_model.model)(raw).items()}
    served = SavedModel(made.saved_model)
    answers, details = (served.predict(n, raw) for n in ("serving_default", "detailed"))
    assert answers.keys() == expected.keys()
    for task, answer in answers.items():
        np.testing.assert_allclose(answer, expected[task], atol=1e-5)
        np.testing.assert_array_equal(answer, details[task])
    np.testing.assert_allclose(details["bright.uncalibrated"], before["bright"], atol=1e-5)
    odds = before["bright"] / (1 - before["bright"])
    np.testing.assert_allclose(answers["bright"], 1 / (1 + odds ** (-1 / 2)), atol=1e-5)
    assert "tint.uncalibrated" not in details

    names = {t.name: np.array(t.classes, object) for t in read_description(made.path).targets}
    decided = np.array([c.decode() for c in details["bright.class"]], object)
    assert (decided == names["bright"][(answers["bright"][:, 0] > 0.5).astype(int)]).all()
    tints = np.array([c.decode() for c in details["tint.class"]], object)
    assert (tints == names["tint"][answers["tint"].argmax(axis=1)]).all()
    np.testing.assert_array_equal(details["words.labels"], answers["words"] > 0.5)
    np.testing.assert_array_equal(details["tint.set"], answers["tint"] >= np.exp(-0.5))
    width = details["value.upper"] - details["value.lower"]
    np.testing.assert_allclose(width, width[0, 0], rtol=1e-4)
    middle = (details["value.upper"] + details["value.lower"]) / 2
    np.testing.assert_allclose(middle, answers["value"], rtol=1e-4)


@pytest.mark.parametrize("weights", ["float16", "bfloat16"])
def test_small_weights_halve_the_size_and_barely_change_predictions(
    exports: Exports, plain: ExportedModel, weights: str
) -> None:
    made = exports(weights, False)
    assert size(made) < 0.6 * size(plain)
    steps = {"float16": 2.0**-11, "bfloat16": 2.0**-8}[weights]
    assert 0 < difference(made) < 100 * steps


def test_a_compiled_model_gives_the_same_predictions(
    exports: Exports, plain: ExportedModel
) -> None:
    made = exports("float32", True)
    assert difference(made) < 1e-5
    assert b"_XlaMustCompile" in (made.saved_model / "saved_model.pb").read_bytes()
    assert b"_XlaMustCompile" not in (plain.saved_model / "saved_model.pb").read_bytes()


def test_the_infra_validator_holds_it_to_its_tolerance(exports: Exports, new_context: Make) -> None:
    made = exports("bfloat16", False)
    for tolerance, blessed in ((Export(weights="bfloat16").allowed * 10, True), (1e-7, False)):
        stage = InfraValidator(tolerance=tolerance, examples=4)
        found = stage.run(InfraValidatorInputs(made), new_context(str(tolerance))).blessing
        assert found.blessed() == blessed, found.reasons()


def test_weights_beyond_the_range_of_float16_are_refused(
    shared_model: Trained, new_context: Make, tmp_path: Path
) -> None:
    with np.load(shared_model.model.path / WEIGHTS) as file:
        arrays = dict(file)
    largest = max(arrays, key=lambda name: arrays[name].ndim * 10**6 + arrays[name].size)
    arrays[largest] = np.full_like(arrays[largest], 1e5)
    broken = tmp_path / "broken"
    broken.mkdir()
    shutil.copy(shared_model.model.path / RECORD, broken)
    np.savez(broken / WEIGHTS, **arrays)
    model, examples = TrainedModel(broken), shared_model.inputs.examples
    with pytest.raises(RootstockError, match=r"export\.weights: .* beyond the range of float16"):
        exported(model, examples, new_context("broken"), "float16", False)
    exported(model, examples, new_context("wide"), "bfloat16", False)
