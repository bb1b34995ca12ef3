"""The stack of network and experts."""

from __future__ import annotations

import numpy as np

from models.multitask.last_word import LastWord
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.tasks.heads.head import head_for
from models.tasks.multiclass import MulticlassTask

HEADS = (
    head_for(TaskTarget(task=BinaryTask(name="a", label="a"), classes=("negative", "positive"))),
    head_for(TaskTarget(task=MulticlassTask(name="b", label="b"), classes=("x", "y", "z"))),
)
UNITS = {h.target.name: h.units for h in HEADS}
RNG = np.random.default_rng(0)
OUTPUTS = {
    "a": RNG.normal(size=(5, 1)).astype("float32"),
    "b": RNG.normal(size=(5, 3)).astype("float32"),
}
MARGINS = RNG.normal(size=(5, 8)).astype("float32")


def test_at_first_it_is_the_network() -> None:
    combined = LastWord(UNITS, ("trees", "linear"))(OUTPUTS, MARGINS)
    for task, outputs in OUTPUTS.items():
        np.testing.assert_array_equal(np.asarray(combined[task]), outputs)


def test_every_task_weighs_its_own_margins() -> None:
    stack = LastWord(UNITS, ("trees", "linear"))
    stack.assign("a", np.array([0.5, 2.0, 0.0]), np.array([1.0]))
    stack.assign("b", np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 2.0]))
    combined = stack(OUTPUTS, MARGINS)
    a = 0.5 * OUTPUTS["a"] + 2 * MARGINS[:, :1] + 1
    b = MARGINS[:, 1:4] + 3 * MARGINS[:, 5:8] + np.array([0.0, 1.0, 2.0])
    np.testing.assert_allclose(np.asarray(combined["a"]), a, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(combined["b"]), b, rtol=1e-5)


def test_a_network_without_weight_is_not_needed() -> None:
    stack = LastWord(UNITS, ("trees", "linear"))
    stack.assign("a", np.array([0.0, 0.5, 0.5]), np.array([1.0]))
    assert not stack.without_network, "task b still reads the network"
    stack.assign("b", np.array([0.0, 1.0, 0.0]), np.zeros(3))
    assert stack.without_network
    assert not LastWord(UNITS, ()).without_network
    with_network, without = stack(OUTPUTS, MARGINS), stack(None, MARGINS)
    for task in OUTPUTS:
        np.testing.assert_array_equal(np.asarray(with_network[task]), np.asarray(without[task]))


def test_without_experts_it_has_no_weights() -> None:
    stack = LastWord(UNITS, ())
    assert stack.weights == []
    assert stack.margins == ()
    np.testing.assert_array_equal(np.asarray(stack(OUTPUTS, None)["a"]), OUTPUTS["a"])
    (column,) = LastWord(UNITS, ("trees", "linear")).margins
    assert column.shape == (8,)
