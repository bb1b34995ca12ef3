"""Advice from scores and affinities."""

from __future__ import annotations

import numpy as np
import pytest

from models.tasks.binary import BinaryTask
from models.tasks.multilabel import MultilabelTask
from models.tasks.regression import RegressionTask
from pipeline.advise.advice import Represented, advise, affinity_of, ranked, score_trunk
from pipeline.advise.report import markdown

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(0, 2, 200).astype(np.float32)
CLASSES[::7] = np.nan
NUMBERS = RNG.normal(size=200).astype(np.float32)
TASKS = (
    BinaryTask(name="yes", label="yes"),
    RegressionTask(name="number", label="number"),
    MultilabelTask(name="both", label="both"),
)
LABELS = {"yes": CLASSES, "number": NUMBERS, "both": np.stack([CLASSES, 1 - CLASSES], axis=1)}


def represented(signal: float) -> Represented:
    """Features that depend on the labels with strength `signal`."""
    targets = np.stack([np.nan_to_num(CLASSES), NUMBERS], axis=1)
    noise = np.random.default_rng(1).normal(size=(200, 8))
    return Represented(np.concatenate([signal * targets, noise], axis=1), LABELS)


def test_the_trunk_that_tells_more_of_the_labels_is_first() -> None:
    trunks = []
    for name, signal in (("deaf", 0.0), ("clear", 4.0), ("faint", 1.0)):
        given = represented(signal)
        trunks.append(score_trunk(name, False, TASKS, given, given))
    found = ranked(trunks)
    assert [t.arm for t in found] == ["clear", "faint", "deaf"]
    assert found[0].firsts > 0.9
    assert set(found[0].scores["number"]) == {"LogME", "k-NN", "linear probe"}
    assert len(found[0].scores["yes"]) == len(found[0].scores["both"]) == 5


def test_affinities_are_in_units_of_a_tasks_own_step() -> None:
    effects = (
        np.array([[[0.02, -0.01], [0.01, 0.04]]] * 4)
        * np.array([1.0, 1.1, 0.9, 1.0])[:, None, None]
    )
    found = affinity_of(("a", "b"), effects, np.ones_like(effects))
    assert found.mean == pytest.approx(np.array([[1.0, -0.25], [0.5, 1.0]]))
    assert found.sure[0, 1]
    assert found.sure[1, 0]


def test_only_significant_harm_separates_tasks() -> None:
    rng = np.random.default_rng(0)
    own = np.eye(2) * 0.1
    noise = own + rng.normal(0, 0.02, (10, 2, 2)) * (1 - np.eye(2))
    harm = own - 0.05 * (1 - np.eye(2)) + rng.normal(0, 0.01, (10, 2, 2)) * (1 - np.eye(2))
    trunk = score_trunk("own", True, TASKS, represented(1.0), represented(1.0))
    together = advise([trunk], affinity_of(("a", "b"), noise, noise), None)
    apart = advise([trunk], affinity_of(("a", "b"), harm, harm), None)
    assert together.groups() == [("a", "b")]
    assert apart.groups() == [("a",), ("b",)]
    one = advise([trunk], affinity_of(("a", "b"), harm, harm), 1)
    assert one.groups() == [("a", "b")]
    assert "in one model**: although some tasks harm others" in markdown(one, "planted")
    assert "`a` harms `b`" in markdown(apart, "planted")
    assert advise([trunk], None, None).groups() == []
