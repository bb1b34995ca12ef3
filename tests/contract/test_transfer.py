"""The contract of transfer modes, which are found by discovery."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.errors import RootstockError
from components.training.choices import Situation, choose
from components.training.optimizer import make_optimizer, variables_without_decay
from components.training.settings import ChosenTraining, Training
from models.balancing.loss_based.equal import Equal
from models.discovery import methods
from models.lazy import keras
from models.multitask.adaptation import Adaptation
from models.multitask.batch_losses import batch_losses
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.transfer.base import Transfer
from pipeline.spec.load import load_spec
from tests.small_trunk import IMAGE, SmallTrunk

MODES: dict[str, Transfer] = {
    name: cls() for name, cls in methods("models.transfer", Transfer).items()
}
WITHOUT_A_SOURCE = ("frozen",)
"""Feature extraction is older than any paper that we could name."""
SPEC = Path(__file__).parents[2] / "examples" / "objects" / "transfer.yaml"
TARGETS = (TaskTarget(task=BinaryTask(name="bright", label="bright")),)
RNG = np.random.default_rng(0)
X = {"image": RNG.normal(size=(8, *IMAGE.shape)).astype("float32")}
Y = {"bright": (np.arange(8) % 2).astype("float32")}
STEPS = 4
"""Steps of an epoch."""

every_mode = pytest.mark.parametrize("name", MODES)


def make_model() -> MultitaskModel:
    keras.utils.set_random_seed(0)
    return MultitaskModel((IMAGE,), TARGETS, SmallTrunk(), Hard(), Equal())


@pytest.fixture
def model() -> MultitaskModel:
    return make_model()


def test_modes_keep_their_names() -> None:
    """Specs and stored results have them."""
    names = (
        "frozen",
        "fine_tune",
        "linear_then_fine_tune",
        "gradual",
        "layer_decay",
        "lora",
        "bias_only",
        "l2_sp",
        "setfit",
    )
    assert set(names) <= set(MODES)


@every_mode
def test_its_docstrings_name_a_source(name: str) -> None:
    mode = type(MODES[name])
    text = f"{sys.modules[mode.__module__].__doc__} {mode.__doc__}"
    names_one = re.search(r"(et al\.|[A-Z]\w+ and [A-Z]\w+|[A-Z]\w+) \d{4}\b", text) is not None
    assert names_one != (name in WITHOUT_A_SOURCE)


def changed(mode: Transfer) -> Transfer:
    """A mode of the same kind with another value of every number and flag."""
    values = {f.name: getattr(mode, f.name) for f in fields(mode)}  # type: ignore[arg-type]
    others: dict[str, object] = {n: not v for n, v in values.items() if isinstance(v, bool)}
    others |= {n: v / 2 for n, v in values.items() if isinstance(v, float)}
    others |= {n: v + 1 for n, v in values.items() if type(v) is int}
    return replace(mode, **others)  # type: ignore[type-var]


@every_mode
def test_it_survives_a_spec(name: str, tmp_path: Path) -> None:
    mode = MODES[name]
    assert changed(mode) != mode

    def read(transfer: str) -> Transfer | None:
        spec, _ = load_spec(SPEC, [f"model.transfer={transfer}"], {"DATA": str(tmp_path)})
        return spec.model.transfer

    assert read(name) == mode
    for written in (mode, changed(mode)):
        assert read(json.dumps(asdict(written))) == written  # type: ignore[call-overload]
    with pytest.raises(RootstockError, match=r"transfer\.bogus: unknown key"):
        read(f"{{name: {name}, bogus: 1}}")


@every_mode
def test_its_plan_is_about_the_trunk(name: str, model: MultitaskModel) -> None:
    trunk = model.trunk
    before = {v.path: np.array(v) for v in trunk.weights}
    plan = MODES[name].plan(trunk)
    starts = [p.start for p in plan.phases]
    assert starts[0] == 0
    assert starts == sorted(set(starts))
    own, trained = {id(v) for v in trunk.weights}, set[int]()
    for phase in plan.phases:
        ids = {id(v) for v in phase.variables}
        assert len(ids) == len(phase.variables)
        assert ids <= own
        trained |= ids
    added = {id(v) for v in plan.added}
    assert added <= trained
    assert plan.rates.keys() <= trained
    assert all(rate > 0 for rate in plan.rates.values())
    after = {v.path: v for v in trunk.weights if id(v) not in added}
    assert after.keys() == before.keys()
    for path, value in before.items():
        np.testing.assert_array_equal(after[path], value)


def chosen(**settings: Any) -> ChosenTraining:
    return choose(Training(**settings), Situation(rows=128))


def loss(model: MultitaskModel) -> float:
    return float(sum(batch_losses(model.heads, Y, model(X, training=False)).losses))


@pytest.mark.slow
@every_mode
def test_only_what_a_phase_trains_changes(name: str, model: MultitaskModel) -> None:
    """With weight decay and momentum, which could also move weights without a gradient."""
    adaptation = Adaptation(MODES[name], model)
    ends = [p.start for p in adaptation.phases[1:]] + [adaptation.phases[-1].start + 3]
    training = chosen(
        epochs=ends[-1],
        optimizer="adamw",
        learning_rate=0.02,
        weight_decay=0.1,
        schedule="constant",
        warmup_fraction=0.0,
    )
    optimizer = make_optimizer(training, STEPS, adaptation.variable_rates(STEPS))
    optimizer.build(adaptation.variables)
    model.compile(optimizer)
    loss_before = loss(model)
    for phase, end in zip(adaptation.phases, ends, strict=True):
        adaptation.enter(phase)
        before = {id(v): np.array(v) for v in model.trunk.weights}
        heads = [np.array(v) for v in model.towers.weights]
        for _ in range((end - phase.start) * STEPS):
            assert np.isfinite(model.train_step((X, Y))["objective"])
        moved = {id(v) for v in model.trunk.weights if not np.array_equal(v, before[id(v)])}
        assert moved == {id(v) for v in phase.variables}
        assert not any(map(np.array_equal, heads, model.towers.weights))
    assert loss(model) < loss_before


@every_mode
def test_a_finished_trunk_is_the_one_that_was_built(name: str, model: MultitaskModel) -> None:
    before = [(w.path, w.shape, w.trainable, w.regularizer) for w in model.trunk.weights]
    adaptation = Adaptation(MODES[name], model)
    adaptation.enter(adaptation.phases[-1])
    for v in model.trunk.trainable_variables:
        v.assign_add(keras.random.normal(v.shape, seed=1))
    adapted = np.asarray(model.trunk(X))
    adaptation.finish()
    assert [(w.path, w.shape, w.trainable, w.regularizer) for w in model.trunk.weights] == before
    np.testing.assert_allclose(np.asarray(model.trunk(X)), adapted, rtol=1e-5, atol=1e-5)
    fresh = make_model()
    fresh.trunk.set_weights(model.trunk.get_weights())
    np.testing.assert_allclose(np.asarray(fresh.trunk(X)), adapted, rtol=1e-5, atol=1e-5)


@every_mode
def test_statistics_of_batches_are_not_used_and_not_changed(
    name: str, model: MultitaskModel
) -> None:
    adaptation = Adaptation(MODES[name], model)
    norm = model.trunk.get_layer("stem.norm")
    for phase in adaptation.phases:
        adaptation.enter(phase)
        moving = [np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)]
        x = np.full((4, 2, 2, 4), 7.0, "float32") + np.arange(4)[:, None, None, None]
        out = norm(x, training=True)
        np.testing.assert_array_equal(norm.moving_mean, moving[0])
        np.testing.assert_array_equal(norm.moving_variance, moving[1])
        np.testing.assert_allclose(out, norm(x, training=False))


@pytest.mark.slow
@every_mode
def test_weight_decay_spares_what_l2_sp_pulls_to_a_start(name: str, model: MultitaskModel) -> None:
    """In all modes it acts on the matrices of heads; on those of the trunk not in `l2_sp`."""
    adaptation = Adaptation(MODES[name], model)
    training = chosen(epochs=10, optimizer="adamw", learning_rate=0.1, weight_decay=0.1)
    optimizer = make_optimizer(training, STEPS, adaptation.variable_rates(STEPS))
    optimizer.exclude_from_weight_decay(var_list=variables_without_decay(model, adaptation))
    optimizer.build(adaptation.variables)
    before = [np.asarray(v) for v in adaptation.variables]
    for _ in range(20 * STEPS):  # some modes train their last variables late
        optimizer.apply([keras.ops.zeros_like(v) for v in adaptation.variables])
    moved = {
        id(v)
        for v, start in zip(adaptation.variables, before, strict=True)
        if not np.array_equal(v, start)
    }
    trunk = {id(v) for v in model.trunk.weights}
    assert moved - trunk
    decays_trunk = any(len(v.shape) > 1 and id(v) in trunk for v in adaptation.variables)
    assert bool(moved & trunk) == (decays_trunk and name != "l2_sp")
