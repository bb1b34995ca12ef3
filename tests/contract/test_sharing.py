"""The contract of sharing schemes, which are found by discovery."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from models.balancing.gradient_based.imtl_g import IMTLG
from models.balancing.loss_based.equal import Equal
from models.discovery import methods
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.representation import REPRESENTATION
from models.lazy import keras, tf
from models.multitask.adaptation import Adaptation
from models.multitask.model import MultitaskModel
from models.sharing.base import Sharing
from models.sharing.layers.stitch import Branching
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.transfer.base import Transfer
from models.transfer.frozen import Frozen
from models.transfer.lora import Lora
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.scratch import Scratch
from tests.serving_operations import not_served_of

pytestmark = pytest.mark.slow

SCHEMES = methods("models.sharing", Sharing)
TASKS = ("a", "b", "c")
TARGETS = tuple(TaskTarget(task=BinaryTask(name=t, label=t)) for t in TASKS)
COLUMNS = (NumericFeature(name="x", column="x", mean=0, deviation=1, knots=(-1.0, 0.0, 1.0)),)
IMAGES = (ImageFeature(name="photo", column="p", height=9, width=9, channels=1),)
TRUNK = Scratch(width=8, dropout=0, image=ResidualConvnet(widths=(4, 6)))
RNG = np.random.default_rng(0)
X = {
    COLUMNS: {"x": np.linspace(-1, 1, 6, dtype=np.float32)},
    IMAGES: {"photo": RNG.integers(0, 256, (6, 9, 9, 1), dtype=np.uint8)},
}
Y = {t: (np.arange(6) % 2).astype(np.float32) for t in TASKS}

schemes = pytest.mark.parametrize("name", SCHEMES)
inputs = pytest.mark.parametrize("features", [COLUMNS, IMAGES], ids=["columns", "images"])


def make_model(name, features, balancing=None, towers=()):  # type: ignore[no-untyped-def]
    keras.utils.set_random_seed(0)
    sharing = SCHEMES[name](towers=towers)
    model = MultitaskModel(features, TARGETS, TRUNK, sharing, balancing or Equal())
    model.compile(keras.optimizers.SGD(0.1))
    return model


@cache
def built(name, features):  # type: ignore[no-untyped-def]
    """A model and its initial weights."""
    model = make_model(name, features)
    return model, [np.array(w) for w in model.weights]


def shared_model(name, features):  # type: ignore[no-untyped-def]
    """The model of `make_model`, built once; for tests that change nothing but its weights."""
    model, weights = built(name, features)
    model.load_weights_from(weights)
    return model


@schemes
@inputs
def test_every_task_trains_the_shared_weights(name: str, features) -> None:  # type: ignore[no-untyped-def]
    model = shared_model(name, features)
    for task in TASKS:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(X[features], training=True)[task])
        gradients = tape.gradient(loss, model.shared_variables(X[features]))
        assert any(g is not None and np.abs(tf.convert_to_tensor(g)).max() > 0 for g in gradients)


def steps_until_moved(model, x, variables) -> list[bool]:  # type: ignore[no-untyped-def]
    """Which variables have moved after some steps: layers of zeros pass nothing on at first, and
    one scheme draws which layers take part.
    """
    before = [np.array(v) for v in variables]
    for _ in range(12):
        assert np.isfinite(model.train_step((x, Y))["objective"])
        moved = [not np.array_equal(b, v) for b, v in zip(before, variables, strict=True)]
        if all(moved):
            break
    return moved


@schemes
def test_training_moves_every_part(name: str) -> None:
    model = make_model(name, IMAGES, towers=(5,))
    assert np.mean(steps_until_moved(model, X[IMAGES], model.trainable_variables)) > 0.9


@schemes
def test_balanced_gradients_reach_every_shared_variable_or_are_refused(name: str) -> None:
    meet = SCHEMES[name].gradients_meet
    if meet != "representation":
        with pytest.raises(ValueError, match="tasks"):
            make_model(name, COLUMNS, IMTLG())
    if meet is None:
        return
    model = make_model(name, COLUMNS, IMTLG(at=meet))
    with tf.GradientTape() as tape:
        loss = tf.add_n([tf.reduce_sum(y) for y in model(X[COLUMNS]).values()])
    variables = model.shared_variables(X[COLUMNS])
    reached = tape.gradient(loss, variables)
    moved = steps_until_moved(model, X[COLUMNS], variables)
    for v, plain, was in zip(variables, reached, moved, strict=True):
        assert was or plain is None or np.abs(tf.convert_to_tensor(plain)).max() < 1e-6, v.path


@schemes
def test_weights_rebuild_the_model(name: str) -> None:
    model, other = shared_model(name, IMAGES), make_model(name, IMAGES)
    model.train_step((X[IMAGES], Y))
    other.load_weights_from([np.array(w) for w in model.weights])
    for task, answer in model.answers(X[IMAGES]).items():
        np.testing.assert_array_equal(other.answers(X[IMAGES])[task], answer)


@schemes
def test_inference_is_the_same_every_time(name: str) -> None:
    model = shared_model(name, COLUMNS)
    first, second = (model.answers(X[COLUMNS]) for _ in range(2))
    for task in TASKS:
        np.testing.assert_array_equal(first[task], second[task])


@schemes
@inputs
def test_tensorflow_serving_has_every_operation(name: str, features) -> None:  # type: ignore[no-untyped-def]
    model, _ = built(name, features)
    specs = {n: tf.TensorSpec([None, *x.shape[1:]], x.dtype) for n, x in X[features].items()}
    answers = tf.function(model.answers, autograph=False).get_concrete_function(specs)
    assert not_served_of(answers.graph.as_graph_def()) == set()


@schemes
def test_gates_tell_how_much_each_reader_takes_from_each_source(name: str) -> None:
    model = shared_model(name, COLUMNS)
    model.train_step((X[COLUMNS], Y))
    figures = model.gate_figures()
    readers: dict[str, float] = {}
    for key, value in figures.items():
        prefix, reader, _ = key.split("/")
        assert prefix == "gate"
        readers[reader] = readers.get(reader, 0.0) + value
    for total in readers.values():
        assert total == pytest.approx(1, abs=0.02)
    layers = [la for la in model._flatten_layers() if la.name.endswith("gate")]
    assert len(readers) >= len(layers)


@schemes
def test_one_task_alone_can_be_trained(name: str) -> None:
    model = MultitaskModel(COLUMNS, TARGETS[:1], TRUNK, SCHEMES[name](), Equal())
    model.compile(keras.optimizers.SGD(0.1))
    assert np.isfinite(model.train_step((X[COLUMNS], {"a": Y["a"]}))["objective"])


@schemes
@pytest.mark.parametrize("mode", [Frozen(), Lora(rank=2)], ids=lambda m: m.name)
def test_transfer_modes_adapt_only_the_trunk(name: str, mode: Transfer) -> None:
    model = make_model(name, COLUMNS)
    shapes = [w.shape for w in model.weights]
    trunk = [w for la in model.trunk._flatten_layers() if "." in la.name for w in la.weights]
    trunk_ids = {id(w) for w in trunk}
    free = {id(v) for v in model.trainable_variables} - trunk_ids
    before = [np.array(w) for w in trunk]
    adaptation = Adaptation(mode, model)
    assert free <= {id(v) for v in adaptation.variables}
    adaptation.enter(adaptation.phases[0])
    assert trunk_ids.isdisjoint(id(v) for v in model.trainable_variables)
    model.optimizer.build(adaptation.variables)
    for _ in range(2):  # LoRA's second factor starts at zero
        model.train_step((X[COLUMNS], Y))
    adaptation.finish()
    assert [w.shape for w in model.weights] == shapes
    moved = any(not np.array_equal(b, w) for b, w in zip(before, trunk, strict=True))
    assert moved == (mode.name == "lora")


@schemes
def test_the_output_of_a_whole_trunk_can_be_computed_in_advance(name: str) -> None:
    model = shared_model(name, COLUMNS)
    given = model.trunk(X[COLUMNS])
    assert isinstance(given, list) != SCHEMES[name].one_trunk
    if not SCHEMES[name].one_trunk:
        return
    found = model({REPRESENTATION: given})
    for task, outputs in model(X[COLUMNS]).items():
        np.testing.assert_allclose(found[task], outputs, rtol=1e-6)
    assert len(model.shared_variables({REPRESENTATION: given})) < len(model.shared_variables({}))


@schemes
def test_a_task_may_have_any_name(name: str) -> None:
    tasks = ("shared", "expert0", "größe")
    targets = tuple(TaskTarget(task=BinaryTask(name=t, label=t)) for t in tasks)
    model = MultitaskModel(COLUMNS, targets, TRUNK, SCHEMES[name](), Equal())
    assert all(w.path.isascii() for w in model.weights)  # TensorFlow cannot save others
    assert all(la.name.isascii() for la in model._flatten_layers() if la.weights)
    readers = {key.rpartition("/")[0] for key in model.gate_figures()}
    sources = [len([k for k in model.gate_figures() if k.startswith(r + "/")]) for r in readers]
    assert all(n > 1 for n in sources)
    assert readers == {r for r in readers if r.isascii() or "größe" in r}
    assert set(model(X[COLUMNS])) == set(tasks)


def test_mtan_normalises_what_the_paper_normalises() -> None:
    """Both convolutions of a mask, and the one that hands a module on to the next stage."""
    model, _ = built("mtan", IMAGES)
    names = {layer.name for layer in model.towers._flatten_layers()}
    for convolution in ("first", "second", "hand"):
        of_kind = {n for n in names if n.startswith("a_attention") and n.endswith(convolution)}
        assert of_kind
        assert {f"{n}_scale" for n in of_kind} <= names


def test_the_temperature_of_ltb_does_not_change_its_draws() -> None:
    drawn = []
    for temperature in (0.2, 50.0):
        keras.utils.set_random_seed(1)
        layer = Branching("s", TASKS, temperature)
        layer.build([])
        drawn.append([np.asarray(layer.mix(True)) for _ in range(20)])
    np.testing.assert_allclose(*drawn, atol=1e-6)
    assert len({row.tobytes() for row in np.round(drawn[0])}) > 5
