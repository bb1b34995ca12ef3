"""What every calibration does, those of later files too."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from models.calibration.base import Answered, Calibration
from models.discovery import methods

METHODS = methods("models.calibration", Calibration)
RNG = np.random.default_rng(0)


def sure(rows: int, exclusive: bool, times: float = 3.0) -> Answered:
    """Rows of three units whose logits are `times` what they should be."""
    right = RNG.normal(size=(rows, 3)) - [0, 1, 0]
    if exclusive:
        p = np.exp(right) / np.exp(right).sum(axis=1, keepdims=True)
        classes = (p.cumsum(axis=1) < RNG.random((rows, 1))).sum(axis=1)
        return Answered(times * right, np.eye(3)[classes], True)
    return Answered(times * right, (RNG.random((rows, 3)) < 1 / (1 + np.exp(-right))) * 1.0, False)


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("name", METHODS)
def test_it_helps_and_is_read_as_it_was_written(name: str, exclusive: bool) -> None:
    rows, unseen = sure(2000, exclusive), sure(2000, exclusive)
    fitted = METHODS[name].fit(rows)
    outputs = np.asarray(fitted(unseen.outputs.astype(np.float32)))
    gain = unseen.losses(unseen.outputs).mean() - unseen.losses(outputs).mean()
    assert gain > 0.1 if name != "none" else gain == pytest.approx(0, abs=1e-6)
    adapter = TypeAdapter(Calibration)
    assert adapter.validate_json(adapter.dump_json(fitted)) == fitted
    assert name in fitted.described()


@pytest.mark.parametrize("name", METHODS)
def test_answers_that_are_all_right_do_not_make_it_certain(name: str) -> None:
    rows = Answered(np.repeat([[2.0], [-2.0]], 10, axis=0), np.repeat([[1.0], [0.0]], 10, 0), False)
    outputs = np.asarray(METHODS[name].fit(rows)(np.array([[9.0], [-9.0]], np.float32)))
    assert np.abs(outputs).max() < 15
