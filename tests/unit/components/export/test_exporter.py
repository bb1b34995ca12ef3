"""Exporter: SavedModels of a trained model in other forms, asked as a server asks them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import TrainedModel
from components.errors import RootstockError
from components.export.expected_outputs import read_expected
from components.export.exporter import Exporter, ExporterInputs
from components.export.infra_validator import InfraValidator, InfraValidatorInputs
from components.export.settings import Export
from components.stage import Context
from components.training.settings import Training
from components.training.trainer import Trainer
from serving.server.saved_model import SavedModel
from tests.trainer_data import TASKS, write_inputs

Make = Callable[[str], Context]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    directory = tmp_path_factory.mktemp("trained")
    for name in ("output", "scratch"):
        (directory / name).mkdir()
    context = Context(directory / "output", directory / "scratch")
    inputs = write_inputs(directory / "data", {"train": 40, "val": 12})
    return Trainer(tasks=TASKS, training=Training(epochs=2)).run(inputs, context).model


def exported(trained: TrainedModel, context: Context, weights: str, xla: bool) -> TrainedModel:
    stage = Exporter(weights=weights, xla=xla)  # type: ignore[arg-type]
    return stage.run(ExporterInputs(trained), context).model


def size(model: TrainedModel) -> int:
    return sum(p.stat().st_size for p in (model.saved_model / "variables").iterdir())


def difference(model: TrainedModel) -> float:
    raw, expected = read_expected(model.path / "expected.parquet")
    served = SavedModel(model.saved_model)
    answers = served.predict("serving_default", raw)
    served.close()
    return max(float(np.abs(answers[t] - expected[t]).max()) for t in expected)


@pytest.mark.parametrize("weights", ["float16", "bfloat16"])
def test_half_the_size_and_nearly_the_same_answers(
    trained: TrainedModel, new_context: Make, weights: str
) -> None:
    made = exported(trained, new_context(weights), weights, False)
    assert size(made) < 0.6 * size(trained)
    steps = {"float16": 2.0**-11, "bfloat16": 2.0**-8}[weights]
    assert 0 < difference(made) < 100 * steps
    assert difference(trained) < 1e-5
    for name in ("weights.npz", "model.json", "history.json", "expected.parquet"):
        assert (made.path / name).read_bytes() == (trained.path / name).read_bytes()


def test_what_is_compiled_answers_the_same(trained: TrainedModel, new_context: Make) -> None:
    made = exported(trained, new_context("xla"), "float32", True)
    assert difference(made) < 1e-5
    assert b"_XlaMustCompile" in (made.saved_model / "saved_model.pb").read_bytes()
    assert b"_XlaMustCompile" not in (trained.saved_model / "saved_model.pb").read_bytes()


def test_the_infra_validator_holds_it_to_its_tolerance(
    trained: TrainedModel, new_context: Make
) -> None:
    made = exported(trained, new_context("half"), "bfloat16", False)
    for tolerance, blessed in ((Export(weights="bfloat16").allowed * 10, True), (1e-7, False)):
        stage = InfraValidator(tolerance=tolerance, examples=4)
        found = stage.run(InfraValidatorInputs(made), new_context(str(tolerance))).blessing
        assert found.blessed() == blessed, found.reasons()


def test_weights_beyond_the_range(trained: TrainedModel, new_context: Make, tmp_path: Path) -> None:
    with np.load(trained.path / "weights.npz") as file:
        arrays = dict(file)
    largest = max(arrays, key=lambda name: arrays[name].ndim * 10**6 + arrays[name].size)
    arrays[largest] = np.full_like(arrays[largest], 1e5)
    broken = tmp_path / "broken"
    broken.mkdir()
    for file_name in ("model.json", "expected.parquet"):
        (broken / file_name).write_bytes((trained.path / file_name).read_bytes())
    np.savez(broken / "weights.npz", **arrays)
    with pytest.raises(RootstockError, match=r"export\.weights: .* beyond the range of float16"):
        exported(TrainedModel(broken), new_context("broken"), "float16", False)
    exported(TrainedModel(broken), new_context("wide"), "bfloat16", False)
