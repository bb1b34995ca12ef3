"""Transfer modes on a small trunk: what trains, when, how fast, and what remains afterwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.lazy import keras
from models.multitask.adaptation import Adaptation
from models.transfer.base import TransferError
from models.transfer.bias_only import BiasOnly
from models.transfer.fine_tune import FineTune
from models.transfer.frozen import Frozen
from models.transfer.gradual import Gradual
from models.transfer.l2_sp import L2SP
from models.transfer.layer_decay import LayerDecay
from models.transfer.linear_then_fine_tune import LinearThenFineTune
from models.transfer.lora import Lora
from models.transfer.setfit import SetFit
from tests.small_trunk import SmallTrunk


class Small:
    """The part of a model that `Adaptation` needs: a trunk of three groups, and a head."""

    def __init__(self) -> None:
        keras.utils.set_random_seed(0)
        self.trunk = SmallTrunk().build(())
        self.head = keras.layers.Dense(1)
        self.whole = keras.Model(self.trunk.input, self.head(self.trunk.output))
        self.trunk_trains = True
        self.grafts = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


@pytest.fixture
def model() -> Small:
    return Small()


def trained(adaptation: Adaptation) -> list[set[str]]:
    """Names of the trunk's trainable variables in each phase."""
    found = []
    for phase in adaptation.phases:
        adaptation.enter(phase)
        found.append({v.path for v in adaptation.model.trunk.trainable_variables})
    return found


def test_frozen_and_fine_tune(model: Small) -> None:
    frozen = Adaptation(Frozen(), model)  # type: ignore[arg-type]
    assert trained(frozen) == [set()]
    assert not model.trunk_trains
    assert not {id(v) for v in frozen.changing} & {id(v) for v in model.trunk.weights}
    assert {id(v) for v in frozen.changing} > {id(v) for v in model.head.variables}
    assert {id(v) for v in frozen.variables} == {id(v) for v in model.head.variables}
    frozen.finish()
    tuned = Adaptation(FineTune(trunk_rate=0.25), model)  # type: ignore[arg-type]
    assert len(trained(tuned)[0]) == 8
    assert model.trunk_trains
    rates = [p.rate for p in tuned.variable_rates(10)]
    assert rates == [0.25] * 8 + [1.0] * 2


def test_setfit_trains_the_trunk_on_pairs_and_then_the_heads_alone(model: Small) -> None:
    adaptation = Adaptation(SetFit(steps=7), model)  # type: ignore[arg-type]
    assert adaptation.pairs is not None
    assert adaptation.pairs.steps == 7
    assert len(adaptation.pairs.variables) == 8
    assert trained(adaptation) == [set()]
    assert {id(v) for v in adaptation.variables} == {id(v) for v in model.head.variables}
    model.trunk.trainable = False
    with pytest.raises(TransferError, match="setfit: the trunk has no weights that could train"):
        Adaptation(SetFit(), model)  # type: ignore[arg-type]


def test_linear_then_fine_tune_starts_the_trunk_late(model: Small) -> None:
    adaptation = Adaptation(LinearThenFineTune(head_epochs=2), model)  # type: ignore[arg-type]
    assert [p.start for p in adaptation.phases] == [0, 2]
    assert [len(names) for names in trained(adaptation)] == [0, 8]
    assert {p.first_step for p in adaptation.variable_rates(7)[:8]} == {14}
    assert {p.first_step for p in adaptation.variable_rates(7)[8:]} == {0}


def test_gradual_unfreezes_from_output_to_input(model: Small) -> None:
    adaptation = Adaptation(Gradual(epochs_per_group=2), model)  # type: ignore[arg-type]
    assert [p.start for p in adaptation.phases] == [0, 2, 4]
    groups = [{n.partition(".")[0] for n in names} for names in trained(adaptation)]
    assert groups == [{"stage2"}, {"stage2", "stage1"}, {"stage2", "stage1", "stem"}]
    first_steps = [p.first_step for p in adaptation.variable_rates(1)]
    assert first_steps == [4] * 4 + [2] * 2 + [0] * 2 + [0] * 2


def test_layer_decay_slows_towards_the_input(model: Small) -> None:
    adaptation = Adaptation(LayerDecay(decay=0.5, trunk_rate=0.4), model)  # type: ignore[arg-type]
    rates = [p.rate for p in adaptation.variable_rates(1)]
    np.testing.assert_allclose(rates, [0.1] * 4 + [0.2] * 2 + [0.4] * 2 + [1.0] * 2)


def test_bias_only(model: Small) -> None:
    (names,) = trained(Adaptation(BiasOnly(), model))  # type: ignore[arg-type]
    assert {n.rpartition("/")[2] for n in names} == {"bias", "beta"}
    assert len(names) == 4


def test_l2_sp_is_the_papers_penalty(model: Small) -> None:
    adaptation = Adaptation(L2SP(alpha=0.3), model)  # type: ignore[arg-type]
    adaptation.enter(adaptation.phases[0])
    assert float(sum(model.trunk.losses)) == 0.0
    moved = [np.full(v.shape, 0.5, "float32") for v in model.trunk.trainable_variables]
    for v, step in zip(model.trunk.trainable_variables, moved, strict=True):
        v.assign_add(step)
    expected = 0.3 / 2 * sum(float((m**2).sum()) for m in moved)
    np.testing.assert_allclose(float(sum(model.trunk.losses)), expected, rtol=1e-5)


def test_lora_is_the_papers_update(model: Small) -> None:
    dense, conv = model.trunk.get_layer("stage2.dense"), model.trunk.get_layer("stem.conv")
    before = np.asarray(dense.kernel)
    adaptation = Adaptation(Lora(rank=2, alpha=6.0), model)  # type: ignore[arg-type]
    (names,) = trained(adaptation)
    assert {n.rpartition("/")[2] for n in names} == {"low_rank_a", "low_rank_b"}
    assert tuple(conv.low_rank_a.shape) == (3 * 3 * 2, 2)
    assert tuple(conv.low_rank_b.shape) == (2, 4)
    np.testing.assert_array_equal(dense.kernel, before)
    b = np.random.default_rng(0).normal(size=(2, 5)).astype("float32")
    dense.low_rank_b.assign(b)
    expected = before + 6.0 / 2 * np.asarray(dense.low_rank_a) @ b
    np.testing.assert_allclose(dense.kernel, expected, rtol=1e-5)
    adaptation.finish()
    assert type(dense) is keras.layers.Dense
    np.testing.assert_allclose(dense.kernel, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("equation", "shape", "output", "a", "b"),
    [
        ("abc,cde->abde", (4, 6), (None, 3, 5), (6, 2), (2, 15)),
        ("abcd,cde->abe", (4, 3, 5), (None, 6), (15, 2), (2, 6)),
        ("...x,xy->...y", (4, 6), 7, (6, 2), (2, 7)),
    ],
)
def test_lora_takes_einsum_kernels_as_matrices(
    equation: str, shape: tuple[int, ...], output: Any, a: Any, b: Any
) -> None:
    from models.transfer.layers.low_rank import add_low_rank, can_adapt

    layer = keras.layers.EinsumDense(equation, output)
    layer.build((None, *shape))
    assert can_adapt(layer)
    assert [tuple(v.shape) for v in add_low_rank(layer, 2, 2.0)] == [a, b]
    x = np.ones((2, *shape), "float32")
    before = np.asarray(layer(x))
    layer.low_rank_b.assign_add(keras.ops.ones_like(layer.low_rank_b))
    assert layer(x).shape == before.shape
    assert np.abs(np.asarray(layer(x)) - before).max() > 1e-3


def test_lora_names_layers_that_do_not_support_it(model: Small) -> None:
    with pytest.raises(TransferError, match=r"'quary' names no layer.*Conv2D: conv; Dense: dense"):
        Adaptation(Lora(targets=("quary",)), model)  # type: ignore[arg-type]
    with pytest.raises(TransferError, match=r"Unsupported: .*depthwise \(DepthwiseConv2D\)"):
        Adaptation(Lora(targets=("depthwise",)), model)  # type: ignore[arg-type]
    both = Lora(targets=("Dense", "depthwise", "dense"))
    with pytest.raises(TransferError, match="depthwise"):
        Adaptation(both, model)  # type: ignore[arg-type]
    adaptation = Adaptation(Lora(targets=("Dense",)), model)  # type: ignore[arg-type]
    assert len(trained(adaptation)[0]) == 2


def test_a_mode_that_finds_nothing_to_train(model: Small) -> None:
    model.trunk.trainable = False
    for mode in (FineTune(), BiasOnly(), Gradual()):
        with pytest.raises(TransferError, match=r"frozen|bias"):
            Adaptation(mode, model)  # type: ignore[arg-type]
    Adaptation(Frozen(), model)  # type: ignore[arg-type]
