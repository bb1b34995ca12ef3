"""From raw outputs, or from the mean of answers, to what is served."""

from __future__ import annotations

import numpy as np
import pytest

from models.calibration.temperature import Temperature
from models.multitask.answering import Answering
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.heads.head import head_for
from models.tasks.regression import RegressionTask

SPAM = TaskTarget(
    task=BinaryTask(name="spam", label="s", coverage=0.9), classes=("no", "yes"), decision=0.3
)
PRICE = TaskTarget(task=RegressionTask(name="price", label="p", coverage=0.9), deviation=2.0)
HEADS = [head_for(SPAM), head_for(PRICE)]
RAW = {
    "spam": np.array([[-3.0], [-1.0], [2.0]], np.float32),
    "price": np.array([[-1.0], [0.0], [4.0]], np.float32),
}


def test_answers_are_served_as_their_raw_outputs_are() -> None:
    own = Answering(HEADS, {"spam": Temperature(temperature=2.0)}, {"spam": 1.0, "price": 0.5})
    details = {name: np.asarray(values) for name, values in own.details(RAW).items()}
    answers = {head.target.name: head.answer(RAW[head.target.name]) for head in HEADS}
    again = own.of_answers(answers)
    assert set(details) == set(again)
    for name, values in details.items():
        np.testing.assert_allclose(again[name], values, rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(details["spam"], 1 / (1 + np.exp(-RAW["spam"] / 2)), rtol=1e-6)
    np.testing.assert_allclose(details["spam.uncalibrated"], answers["spam"])
    assert details["spam.class"].tolist() == [0, 1, 1], "by the calibrated probability"
    np.testing.assert_allclose(details["price.upper"] - details["price.lower"], 2.0)


def test_what_is_not_calibrated_is_not_touched() -> None:
    answers = {"spam": np.float32([[1.0]]), "price": np.float32([[7.0]])}
    found = Answering(HEADS).of_answers(answers)
    assert found["spam"] is answers["spam"]
    assert set(found) == {"spam", "spam.class", "price"}
    assert float(np.asarray(HEADS[0].answer(HEADS[0].raw(answers["spam"])))[0, 0]) == (
        pytest.approx(1.0)
    )
