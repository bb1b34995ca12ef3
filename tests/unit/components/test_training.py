"""What a person is told before training."""

from __future__ import annotations

import pytest

from components.training import _unbalanced
from models.balancing.base import Balancing
from models.balancing.equal import Equal
from models.balancing.pcgrad import PCGrad
from models.features import NumericFeature
from models.multitask import MultitaskModel
from models.sharing.hard import Hard
from models.task import BinaryTask, TaskTarget
from models.transfer.base import Phase
from models.trunks.scratch import Scratch


@pytest.mark.parametrize(
    ("balancing", "trains", "told"),
    [(PCGrad(), False, 1), (PCGrad(), True, 0), (Equal(), False, 0)],
)
def test_a_frozen_trunk_has_no_gradients_to_balance(
    balancing: Balancing, trains: bool, told: int
) -> None:
    features = (NumericFeature(name="x", column="x", mean=0, deviation=1),)
    targets = (TaskTarget(task=BinaryTask(name="a", label="l")),)
    model = MultitaskModel(features, targets, Scratch(width=4), Hard(), balancing)
    variables = tuple(model.trunk.trainable_variables)
    phases = [Phase(0, ()), Phase(2, variables if trains else ())]
    assert len(_unbalanced(model, phases)) == told
