"""A served model's answers to the training rows, in their order."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from components.data.raw import raw_inputs
from components.inference.teacher import Teacher, TeacherInputs
from components.stage import Context
from tests.small_model import FEATURES, answers, write_examples, write_model


def test_all_training_rows_are_answered_in_order(tmp_path: Path) -> None:
    examples = write_examples(tmp_path / "examples", {"train": 700, "val": 10})
    inputs = TeacherInputs(write_model(tmp_path / "model"), examples)
    for name in ("output", "scratch"):
        (tmp_path / name).mkdir()
    context = Context(tmp_path / "output", tmp_path / "scratch")
    answered = Teacher().run(inputs, context).answers.load()
    expected = answers(raw_inputs(examples.read("train"), FEATURES), slope=1.0)
    assert answered.keys() == expected.keys()
    for task, values in expected.items():
        np.testing.assert_allclose(answered[task], values, rtol=1e-4, atol=1e-5)
