from __future__ import annotations

import numpy as np
import pytest

from models.balancing.gradient_based.pcgrad import PCGrad
from models.balancing.loss_based.equal import Equal
from models.inputs.base import Feature
from models.inputs.image import ImageFeature
from models.inputs.numeric import NumericFeature
from models.inputs.representation import REPRESENTATION
from models.lazy import keras, tf
from models.multitask.batch_losses import batch_losses
from models.multitask.model import MultitaskModel
from models.sharing.hard import Hard
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask
from models.trunks.encoders.column_mlp import ColumnMlp
from models.trunks.encoders.residual_convnet import ResidualConvnet
from models.trunks.layers.members import (
    MemberScale,
    SplitMembers,
    join_members,
    mean_of_members,
    members_of,
)
from models.trunks.scratch import Scratch

K, ROWS = 3, 4
X = {"x": np.linspace(-1, 1, ROWS, dtype=np.float32)}
Y = {"t": np.array([0, 1, np.nan, 1], np.float32)}
NUMBER = NumericFeature(name="x", column="x", mean=0, deviation=1)
PICTURE = ImageFeature(name="p", column="p", height=8, width=8, channels=1)


def make_model(members: int = K, features: tuple[Feature, ...] = (NUMBER,)) -> MultitaskModel:
    keras.utils.set_random_seed(0)
    columns = ColumnMlp(layers=(6,), members=members)
    trunk = Scratch(width=5, dropout=0, columns=columns, image=ResidualConvnet(widths=(2,)))
    targets = (TaskTarget(task=BinaryTask(name="t", label="t")),)
    return MultitaskModel(features, targets, trunk, Hard(), Equal())


def test_the_members_of_a_row_lie_one_after_another() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    split = np.asarray(SplitMembers(K)(rows))
    np.testing.assert_array_equal(split, np.repeat(rows, K, axis=0))
    np.testing.assert_array_equal(join_members(split, K), np.tile(rows, (1, K)))
    np.testing.assert_array_equal(mean_of_members(split, K), rows)


def test_each_member_has_its_own_factors_and_biases() -> None:
    layer = MemberScale(K, bias=True, signs=True)
    layer.build((None, 2))
    assert set(np.unique(layer.factors)) == {-1.0, 1.0}
    factors, bias = np.arange(6.0).reshape(K, 2), np.arange(6.0, 12.0).reshape(K, 2)
    layer.set_weights([factors, bias])
    x = np.random.default_rng(0).normal(size=(2 * K, 2)).astype(np.float32)
    expected = x.reshape(2, K, 2) * factors + bias
    np.testing.assert_allclose(layer(x), expected.reshape(2 * K, 2), rtol=1e-6)


def test_a_member_learns_from_its_own_loss_only() -> None:
    model = make_model()
    own = [la.factors for la in model.trunk.layers if isinstance(la, MemberScale)]
    with tf.GradientTape() as tape:
        outputs = model.towers(model.represent(X, training=True), training=True)
        losses = model.heads[0].row_losses(np.repeat(Y["t"][:2], K), outputs["t"][: 2 * K])
        second = tf.reduce_sum(losses[1::K])
    for gradient in tape.gradient(second, own):
        assert np.abs(gradient[1]).max() > 0
        assert not np.any(np.delete(gradient, 1, axis=0))


def test_the_loss_is_the_mean_of_the_members_losses_and_metrics_are_of_their_mean() -> None:
    model = make_model()
    outputs = model.towers(model.represent(X, training=True), training=True)
    batch = batch_losses(model.heads, Y, outputs, K)
    each = [batch_losses(model.heads, Y, {"t": outputs["t"][k::K]}) for k in range(K)]
    np.testing.assert_allclose(batch.losses, np.mean([b.losses for b in each], 0), rtol=1e-6)
    np.testing.assert_array_equal(batch.rows, [3])
    served = batch_losses(model.heads, Y, model(X))
    np.testing.assert_allclose(batch.totals[0], served.totals[0], rtol=1e-6)
    assert abs(float(served.losses[0] - batch.losses[0])) > 1e-6


def test_the_mean_of_the_members_is_served() -> None:
    model = make_model()
    each = np.asarray(model.towers(model.trunk(X))["t"]).reshape(ROWS, K, 1)
    assert each.std(1).max() > 1e-3
    np.testing.assert_allclose(model(X)["t"], each.mean(1), rtol=1e-6)
    expected = 1 / (1 + np.exp(-each.mean(1)))
    np.testing.assert_allclose(model.answers(X)["t"], expected, rtol=1e-5)


def test_one_member_is_a_plain_perceptron() -> None:
    model = make_model(members=1)
    assert members_of(model.trunk) == 1
    assert not any(isinstance(la, MemberScale | SplitMembers) for la in model.trunk.layers)
    (w1, b1, w2, b2, w3, b3) = (np.asarray(w) for w in model.trainable_weights)
    hidden = np.maximum(np.maximum(X["x"][:, None] @ w1 + b1, 0) @ w2 + b2, 0)
    np.testing.assert_allclose(model(X)["t"], hidden @ w3 + b3, rtol=1e-5, atol=1e-6)


def test_a_stored_representation_holds_all_members() -> None:
    model = make_model()
    stored = join_members(model.trunk(X), K)
    assert stored.shape == (ROWS, K * 5)
    np.testing.assert_allclose(model({REPRESENTATION: stored})["t"], model(X)["t"], rtol=1e-6)


@pytest.mark.slow
def test_members_share_the_encoders_of_images() -> None:
    model = make_model(features=(NUMBER, PICTURE))
    x = X | {"p": np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8, 1), dtype=np.uint8)}
    assert members_of(model.trunk) == K
    convolution = next(la for la in model.trunk.layers if isinstance(la, keras.layers.Conv2D))
    assert convolution.output.shape[1:3] == (8, 8)
    model.compile(keras.optimizers.SGD(0.1))
    assert model(x)["t"].shape == (ROWS, 1)
    assert np.isfinite(model.train_step((x, Y))["objective"])


def test_gradients_are_balanced_over_members() -> None:
    keras.utils.set_random_seed(0)
    targets = tuple(TaskTarget(task=BinaryTask(name=t, label=t)) for t in "ab")
    trunk = Scratch(width=5, dropout=0, columns=ColumnMlp(layers=(6,), members=K))
    model = MultitaskModel((NUMBER,), targets, trunk, Hard(), PCGrad())
    model.compile(keras.optimizers.SGD(0.1))
    before = [np.array(v) for v in model.trainable_variables]
    model.train_step((X, {"a": Y["t"], "b": 1 - Y["t"]}))
    moved = zip(before, model.trainable_variables, strict=True)
    assert sum(not np.array_equal(b, v) for b, v in moved) >= len(before) - 2
