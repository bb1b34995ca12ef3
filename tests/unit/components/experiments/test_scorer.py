"""Scorer: the figures of a trained model on validation rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import Examples
from components.data.raw import raw_inputs
from components.errors import RootstockError
from components.evaluation.metrics import measure
from components.experiments.scorer import Scorer, ScorerInputs, load_answers, load_scores
from components.export.keras_model import load_keras
from components.labels.encoding import encode_split
from components.stage import Context
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
    assert figures.rows == examples.num_rows("val")
    for target in served.record.targets:
        np.testing.assert_allclose(answers[target.name], expected[target.name], atol=1e-6)
        values = measure(target, labels[target.name], answers[target.name]).values
        assert figures.values[target.name] == values
        for metric, value in values.items():
            spread = np.array(figures.resampled[target.name][metric], np.float64)
            if value is not None and target.name == "value":
                assert spread.min() < value < spread.max(), metric


def test_without_validation_rows_there_is_no_score(shared_model: Trained, tmp_path: Path) -> None:
    examples = replace(shared_model.inputs.examples, path=tmp_path)
    with pytest.raises(RootstockError, match="no validation rows"):
        Scorer().run(
            ScorerInputs(shared_model.model, Examples(examples.path)), Context(tmp_path, tmp_path)
        )
