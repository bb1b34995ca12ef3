"""Warnings and errors before training."""

from __future__ import annotations

import pytest

from components.errors import RootstockError
from components.training.fit import _check_balancing_state, _nothing_to_balance
from models.balancing.base import Balancing
from models.balancing.gradient_based.excess_mtl import ExcessMTL
from models.balancing.gradient_based.moco import MoCo
from models.balancing.gradient_based.pcgrad import PCGrad
from models.balancing.loss_based.equal import Equal
from models.balancing.loss_based.uncertainty import Uncertainty
from models.inputs.numeric import NumericFeature
from models.multitask.adaptation import Adaptation
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.transfer.base import Phase, Transfer
from models.transfer.fine_tune import FineTune
from models.transfer.gradual import Gradual
from models.transfer.lora import Lora
from models.trunks.scratch import Scratch

FEATURES = (NumericFeature(name="x", column="x", mean=0, deviation=1),)
TARGETS = (TaskTarget(task=BinaryTask(name="a", label="l")),)


@pytest.mark.parametrize("transfer", [None, FineTune(), Gradual(), Lora(rank=2)], ids=str)
@pytest.mark.parametrize(
    "balancing", [MoCo(at="parameters"), ExcessMTL(at="parameters"), ExcessMTL(), PCGrad()], ids=str
)
def test_a_state_per_parameter_needs_all_of_them_to_train(
    balancing: Balancing, transfer: Transfer | None
) -> None:
    model = MultitaskModel(FEATURES, TARGETS, Scratch(width=4), Hard(), balancing)
    adaptation = Adaptation(transfer, model)
    if model.at_parameters and isinstance(transfer, Gradual | Lora):
        with pytest.raises(RootstockError, match="state for each shared parameter"):
            _check_balancing_state(model, adaptation)
    else:
        _check_balancing_state(model, adaptation)


@pytest.mark.parametrize(
    ("balancing", "trains", "expected"),
    [(PCGrad(), False, 1), (PCGrad(), True, 0), (Equal(), False, 0)],
)
def test_a_frozen_trunk_has_no_gradients_to_balance(
    balancing: Balancing, trains: bool, expected: int
) -> None:
    model = MultitaskModel(FEATURES, TARGETS, Scratch(width=4), Hard(), balancing)
    variables = tuple(model.trunk.trainable_variables)
    phases = [Phase(0, ()), Phase(2, variables if trains else ())]
    assert len(_nothing_to_balance(model, phases)) == expected


@pytest.mark.parametrize("balancing", [MoCo(at="parameters"), Uncertainty(), Equal()], ids=str)
def test_a_methods_state_is_no_parameter_of_the_model(balancing: Balancing) -> None:
    model = MultitaskModel(FEATURES, TARGETS, Scratch(width=4), Hard(), balancing)
    parts = [model.trunk, model.towers]
    assert model.count_params() == sum(p.count_params() for p in parts) > 0
