"""Scorer: the figures of a trained model on validation rows."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import Examples, TrainedModel
from components.calibration.calibrating import out_of_fold_outputs
from components.calibration.unseen import Unseen
from components.data.raw import raw_inputs
from components.errors import RootstockError
from components.evaluation.metrics import measure
from components.experiments.scorer import Scorer, ScorerInputs, load_answers, load_scores
from components.export.keras_model import load_keras
from components.labels.encoding import encode_split, labelled
from components.stage import Context
from models.calibration.isotonic import Isotonic
from models.model_files import RECORD
from tests.shared import Trained

pytestmark = pytest.mark.slow


def test_a_score_is_the_metrics_of_the_model_on_validation_rows(
    shared_model: Trained, tmp_path: Path
) -> None:
    examples = shared_model.inputs.examples
    inputs, context = ScorerInputs(shared_model.model, examples), Context(tmp_path, tmp_path)
    made = Scorer().run(inputs, context).scores
    figures, answers = load_scores(made), load_answers(made.path)
    served = load_keras(shared_model.model)
    expected = served(raw_inputs(examples.read("val"), served.record.features))
    labels = encode_split(served.record.targets, examples, "val")
    assert figures.rows == min(np.sum(labelled(y)) for y in labels.values())
    assert figures.rows < examples.num_rows("val")
    for target in served.record.targets:
        np.testing.assert_allclose(answers[target.name], expected[target.name], atol=1e-6)
        values = measure(target, labels[target.name], answers[target.name]).values
        assert figures.values[target.name] == values
        for metric, value in values.items():
            spread = np.array(figures.resampled[target.name][metric], np.float64)
            if value is not None and target.name == "value":
                assert spread.min() < value < spread.max(), metric


def test_a_calibration_is_measured_on_rows_that_it_was_not_fitted_to(
    shared_model: Trained, tmp_path: Path
) -> None:
    """Else one with many parameters, such as isotonic, would seem better than it is."""
    examples, model = shared_model.inputs.examples, TrainedModel(tmp_path / "model")
    shutil.copytree(shared_model.model.path, model.path)
    served = load_keras(model)
    labels = encode_split(served.record.targets, examples, "val")["bright"]
    before = served(raw_inputs(examples.read("val"), served.record.features))["bright"].numpy()
    head = served.model.heads[0]
    unseen = Unseen.of(labels, np.asarray(head.raw(before)))
    fitted = Isotonic.fit(unseen.answered(head.target))
    record = json.loads((model.path / RECORD).read_text())
    record["calibrations"] = {"bright": asdict(fitted)}
    (model.path / RECORD).write_text(json.dumps(record))
    (tmp_path / "out").mkdir()
    place = Context(tmp_path / "out", tmp_path / "out")
    made = Scorer().run(ScorerInputs(model, examples), place).scores
    own = measure(head.target, labels, np.asarray(head.answer(fitted(head.raw(before))))).values
    assert load_scores(made).values["bright"]["log_loss"] > own["log_loss"] + 1e-3
    found, known = load_answers(made.path)["bright"], ~np.isnan(labels)
    again = out_of_fold_outputs(Isotonic, unseen.answered(head.target), unseen.groups)
    np.testing.assert_allclose(found[known], head.answer(again.astype(np.float32)), atol=1e-4)


def test_without_validation_rows_there_is_no_score(shared_model: Trained, tmp_path: Path) -> None:
    examples = replace(shared_model.inputs.examples, path=tmp_path)
    with pytest.raises(RootstockError, match="no validation rows"):
        Scorer().run(
            ScorerInputs(shared_model.model, Examples(examples.path)), Context(tmp_path, tmp_path)
        )
