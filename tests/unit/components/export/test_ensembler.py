"""Ensembler: several models in one SavedModel, asked as a server asks it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import TrainedModel
from components.calibration.decisions import best_decision
from components.data.raw import raw_inputs
from components.errors import RootstockError
from components.export.combined import Combined
from components.export.ensembler import Ensembler, EnsemblerInputs
from components.export.expected_outputs import read_details, read_expected, write_expected
from components.export.infra_validator import InfraValidator, InfraValidatorInputs
from components.export.keras_model import load_keras
from components.labels.encoding import encode_split
from components.stage import Context, Silent
from models.description import read_description
from models.model_files import RECORD, WEIGHTS
from models.multitask.record import read_record
from serving.interface import read_interface
from serving.server.saved_model import SavedModel
from tests.shared import Trained

pytestmark = pytest.mark.slow


TEMPERATURE = {"name": "temperature", "temperature": 3.0}


@pytest.fixture(scope="module")
def other(shared_model: Trained, tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """The shared model with smaller weights, and another decision threshold of its first task,
    which is calibrated.
    """
    model = TrainedModel(tmp_path_factory.mktemp("other") / "model")
    shutil.copytree(shared_model.model.path, model.path)
    record = json.loads((model.path / RECORD).read_text())
    record["targets"][0]["decision"] = 0.3
    record["calibrations"] = {record["targets"][0]["task"]["name"]: TEMPERATURE}
    (model.path / RECORD).write_text(json.dumps(record))
    with np.load(model.path / WEIGHTS) as arrays:
        smaller = {name: (0.9 * values).astype(values.dtype) for name, values in arrays.items()}
    np.savez(model.path / WEIGHTS, allow_pickle=False, **smaller)
    return model


def test_an_ensemble_answers_with_the_weighted_mean(
    shared_model: Trained, other: TrainedModel, tmp_path: Path
) -> None:
    models, context = (shared_model.model, other), Context(tmp_path, tmp_path)
    inputs = EnsemblerInputs(models, shared_model.inputs.examples)
    made = Ensembler(shares=(0.75, 0.25)).run(inputs, context).model
    raw, expected = read_expected(made.expected)
    first, second = (load_keras(model)(raw) for model in models)
    served = SavedModel(made.saved_model).predict("serving_default", raw)
    for task, answer in expected.items():
        mean = 0.75 * first[task].numpy() + 0.25 * second[task].numpy()
        assert np.abs(first[task] - second[task]).max() > 1e-3, "the models differ"
        np.testing.assert_allclose(answer, mean, atol=1e-6)
        np.testing.assert_allclose(served[task].reshape(mean.shape), mean, atol=1e-6)
    targets = read_description(made.path).targets
    name = targets[0].name
    details = SavedModel(made.saved_model).predict("detailed", raw)
    yes = expected[name][:, 0] > 0.75 * 0.5 + 0.25 * 0.3
    assert details[f"{name}.class"].tolist() == [targets[0].classes[int(y)].encode() for y in yes]
    assert f"{name}.uncalibrated" not in details, "one member is calibrated, their mean is not"
    asked = read_interface(made.saved_model)
    assert asked is not None
    assert asked.answers[0].decision == targets[0].decision, "not that of the first member"
    decisions = [target.decision for target in targets]
    assert decisions[0] == pytest.approx(0.75 * 0.5 + 0.25 * 0.3)
    assert set(decisions[1:]) == {0.5}

    details = read_details(made.expected)
    decided = details[f"{name}.class"]
    decided[3] = next(c.encode() for c in targets[0].classes if c.encode() != decided[3])
    write_expected(made.expected, raw, expected, details)
    for directory in ("validated", "scratch"):
        (tmp_path / directory).mkdir()
    place = Context(tmp_path / "validated", tmp_path / "scratch")
    blessing = InfraValidator().run(InfraValidatorInputs(made), place).blessing
    wrong = f"signature 'detailed', '{name}.class': 1 of 16 differ from Keras."
    assert blessing.reasons() == [f"rest {wrong}", f"grpc {wrong}"], "all else is as expected"


def test_what_tasks_choose_is_chosen_for_the_mean(
    shared_model: Trained, other: TrainedModel, tmp_path: Path
) -> None:
    """Not taken from the members: their mean is less sure than they are."""
    examples, models = shared_model.inputs.examples, list[TrainedModel]()
    for number, member in enumerate((shared_model.model, other)):
        models.append(TrainedModel(tmp_path / f"member-{number}"))
        shutil.copytree(member.path, models[-1].path)
        record = json.loads((member.path / RECORD).read_text())
        bright, value = (record["targets"][i]["task"] for i in (0, 3))
        bright |= {"calibration": "platt", "decision": "f1", "coverage": 0.8}
        value |= {"coverage": 0.8}
        (models[-1].path / RECORD).write_text(json.dumps(record))
    place = Context(tmp_path, tmp_path)
    made = Ensembler(shares=(0.5, 0.5)).run(EnsemblerInputs(tuple(models), examples), place).model
    record = read_record(made.path)
    assert record.calibrations["bright"].name == "platt"
    served, rows = SavedModel(made.saved_model), examples.read("val")
    raw = raw_inputs(rows, record.features)
    found = served.predict("detailed", raw)
    mean = np.mean([load_keras(model)(raw)["bright"] for model in models], axis=0)
    np.testing.assert_allclose(found["bright.uncalibrated"], mean, atol=1e-6)
    before = np.log(mean / (1 - mean))
    expected = 1 / (1 + np.exp(-record.calibrations["bright"](before)))
    np.testing.assert_allclose(found["bright"], expected, atol=1e-5)
    assert np.abs(found["bright"] - mean).max() > 1e-3

    labels = encode_split(record.targets, examples, "val")
    known = ~np.isnan(labels["bright"])
    yes, p = labels["bright"][known] > 0.5, found["bright"][known, 0].astype(np.float64)
    assert record.targets[0].decision == pytest.approx(best_decision(yes, p), abs=1e-5)
    value, known = labels["value"], ~np.isnan(labels["value"])
    inside = (found["value.lower"][:, 0] <= value) & (value <= found["value.upper"][:, 0])
    assert inside[known].mean() >= 0.8
    right = found["bright.set"][np.flatnonzero(~np.isnan(labels["bright"])), yes.astype(int)]
    assert right.mean() >= 0.8


def test_without_rows_to_choose_on_thresholds_are_the_mean_of_the_members(
    shared_model: Trained, other: TrainedModel
) -> None:
    combined = Combined([load_keras(m) for m in (shared_model.model, other)], (0.5, 0.5))
    answering = combined.answering(shared_model.inputs.examples, (), Silent())
    assert (answering.calibrations, answering.radii) == ({}, {})
    assert [head.target.decision for head in answering.heads] == [0.4, 0.5, 0.5, 0.5]


def test_members_must_have_the_same_classes(
    shared_model: Trained, other: TrainedModel, tmp_path: Path
) -> None:
    strange = TrainedModel(tmp_path / "strange")
    shutil.copytree(other.path, strange.path)
    text = (strange.path / RECORD).read_text()
    assert '"green"' in text
    (strange.path / RECORD).write_text(text.replace('"green"', '"blue"'))
    inputs = EnsemblerInputs((shared_model.model, strange), shared_model.inputs.examples)
    with pytest.raises(RootstockError, match="same inputs, tasks and classes"):
        Ensembler(shares=(0.5, 0.5)).run(inputs, Context(tmp_path, tmp_path))
