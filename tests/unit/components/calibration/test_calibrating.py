from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss

from components.calibration.calibrating import calibrated, enough
from models.calibration.base import Answered

RNG = np.random.default_rng(0)


def rows_of(count: int, times: float = 1.0, bias: float = 0.0) -> Answered:
    """Binary rows whose logits are `times` what they should be, plus a bias."""
    right = 2 * RNG.normal(size=(count, 1))
    yes = RNG.random((count, 1)) < 1 / (1 + np.exp(-right))
    return Answered(times * right + bias, yes * 1.0, False)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (rows_of(2000), "none"),  # already right: no method is better by more than noise
        (rows_of(2000, times=3), "temperature"),
        (rows_of(2000, bias=2), "platt"),
        (rows_of(30, times=3), "none"),  # too few rows to tell
    ],
    ids=["right", "too sure", "biased", "few"],
)
def test_the_simplest_method_that_is_clearly_better(rows: Answered, expected: str) -> None:
    chosen = calibrated(rows, np.arange(len(rows)))
    assert chosen.calibration.name == expected
    p = rows.probabilities(rows.outputs)[:, 0]
    assert chosen.before == pytest.approx(log_loss(rows.targets[:, 0], p))
    assert (chosen.after < chosen.before) == (expected != "none")
    assert f"on {len(rows)} validation rows" in str(chosen)
    assert chosen.few == (len(rows) == 30) == ("20 or more" in str(chosen))


def test_without_rows_nothing_changes() -> None:
    assert not calibrated(rows_of(5).at(np.zeros(0, int)), np.zeros(0, int)).changes


def test_isotonic_where_no_line_fits() -> None:
    logits = RNG.normal(size=(4000, 1))
    p = np.where(logits > 0.5, 0.6, np.where(logits > -0.5, 0.5, 0.01))
    rows = Answered(4 * logits, (RNG.random((4000, 1)) < p) * 1.0, False)
    assert calibrated(rows, np.arange(4000)).calibration.name == "isotonic"


def test_a_method_that_is_asked_for_is_taken() -> None:
    assert calibrated(rows_of(30), np.arange(30), "isotonic").calibration.name == "isotonic"


def test_every_class_needs_rows() -> None:
    targets = np.eye(3)[[0, 0, 1, 1, 2]]
    rows = Answered(np.zeros((5, 3)), targets, True)
    groups = np.arange(5)
    assert enough(rows, groups, 1)
    assert not enough(rows, groups, 2)
    assert not enough(rows.at(np.zeros(0, int)), np.zeros(0, int), 1)
    assert not enough(rows, np.zeros(5, int), 1), "one group cannot be told from others"
    assert not enough(rows.at(np.repeat(np.arange(5), 9)), np.repeat(groups, 9), 2)


def test_rows_of_a_group_are_no_evidence_of_their_own() -> None:
    """Copies of a few rows tell no more than those rows: a rising curve that knows them all by
    heart is good at copies in other folds, and no better on other groups.
    """
    few = rows_of(60)
    rows, groups = few.at(np.repeat(np.arange(60), 50)), np.repeat(np.arange(60), 50)
    apart, by_group = calibrated(rows, np.arange(3000)), calibrated(rows, groups)
    assert apart.calibration.name == "isotonic"
    assert by_group.calibration.name == "none"
    assert "3000 validation rows of 60 groups" in str(by_group)
