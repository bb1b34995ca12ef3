from __future__ import annotations

import numpy as np
import pytest

from models.inputs.numeric import NumericFeature
from models.lazy import keras
from models.multitask.planning import ByInputTransfer, plan_of
from models.transfer.base import TransferError
from models.transfer.bias_only import BiasOnly
from models.transfer.fine_tune import FineTune
from models.transfer.frozen import Frozen
from models.transfer.linear_then_fine_tune import LinearThenFineTune
from models.transfer.lora import Lora
from models.trunks.layers.joined import JoinedTrunks

FEATURES = tuple(NumericFeature(name=n, column=n, mean=0, deviation=1) for n in "abc")


def part(name: str, bias: bool = True) -> keras.Model:
    x = keras.Input((3,), name=name)
    hidden = keras.layers.Dense(4, use_bias=bias, name="stage1.dense")(x)
    hidden = keras.layers.BatchNormalization(center=bias, name="stage1.norm")(hidden)
    return keras.Model({name: x}, hidden, name=f"part_{name}")


def trunk(bias: bool = True) -> JoinedTrunks:
    return JoinedTrunks({n: part(n, bias) for n in "abc"}, FEATURES)


def test_parts_begin_and_learn_in_their_own_ways() -> None:
    whole = trunk()
    own = {name: list(p.trainable_variables) for name, p in whole.parts.items()}
    modes = {"a": Frozen(), "b": LinearThenFineTune(head_epochs=2, trunk_rate=0.1)}
    plan = plan_of(ByInputTransfer(modes=modes), whole)

    assert [p.start for p in plan.phases] == [0, 2]
    assert {id(v) for v in plan.phases[0].variables} == {id(v) for v in own["c"]}
    assert {id(v) for v in plan.phases[1].variables} == {id(v) for v in own["b"] + own["c"]}
    assert plan.rates == {id(v): 0.1 for v in own["b"]}  # the others at the rate of the heads

    x = {n: np.ones((4, 3), np.float32) * (i + 1) for i, n in enumerate("abc")}
    norms = {n: p.get_layer("stage1.norm") for n, p in whole.parts.items()}
    before = {n: np.array(norm.moving_mean) for n, norm in norms.items()}
    whole.represent(x, training=True)
    moved = [n for n, norm in norms.items() if not np.array_equal(norm.moving_mean, before[n])]
    assert moved == ["c"]  # batch statistics of pretrained parts stay as they are


def test_each_part_is_restored() -> None:
    whole = trunk()
    count = len(whole.weights)
    transfer = ByInputTransfer(modes={"a": Lora(rank=2), "c": FineTune()})
    plan = plan_of(transfer, whole)
    assert len(plan.added) == 2
    assert len(whole.weights) == count + 2
    transfer.finish(whole)
    assert len(whole.weights) == count


def test_it_says_which_part_a_mode_does_not_fit() -> None:
    with pytest.raises(TransferError, match="b: bias_only: the trunk has no trainable biases"):
        plan_of(ByInputTransfer(modes={"b": BiasOnly()}), trunk(bias=False))


@pytest.mark.parametrize(
    ("modes", "tunes"), [({"a": Frozen()}, False), ({"a": Frozen(), "b": FineTune()}, True)]
)
def test_pretrained_weights_train_if_those_of_one_part_do(modes: dict, tunes: bool) -> None:
    assert ByInputTransfer(modes=modes).tunes == tunes
