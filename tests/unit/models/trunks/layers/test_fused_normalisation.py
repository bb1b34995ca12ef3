"""Fused batch normalisation against that of Keras."""

from __future__ import annotations

import numpy as np
import pytest

from models.lazy import keras, tf
from models.trunks.layers.fused_normalisation import fuse_normalisation

IMAGES = np.random.default_rng(0).normal(2, 3, (5, 4, 6, 3)).astype(np.float32)


def convnet(dtype: str, **options: bool) -> keras.Model:
    keras.utils.set_random_seed(1)
    image = keras.Input(IMAGES.shape[1:], dtype="float32")
    layer = keras.layers.BatchNormalization(momentum=0.9, dtype=dtype, name="norm", **options)
    return keras.Model(image, layer(image))


def trained(model: keras.Model) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray], list[str]]:
    """Outputs of a training batch, gradients, weights afterwards, and the operations of the graph
    with the type of their first input.
    """
    layer = model.get_layer("norm")
    for i, v in enumerate(layer.trainable_variables):
        v.assign(v + 0.5 * i + 0.25)

    @tf.function(autograph=False)
    def step(x: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
            loss = tf.reduce_sum(tf.cast(y, tf.float32) ** 3)
        return y, tape.gradient(loss, [x, *model.trainable_variables])

    x = tf.constant(IMAGES)
    y, gradients = step(x)
    graph = step.get_concrete_function(x).graph
    operations = [f"{op.type} {op.inputs[0].dtype.name}" for op in _operations(graph) if op.inputs]
    numbers = [tf.cast(g, tf.float32).numpy() for g in gradients]
    return tf.cast(y, tf.float32).numpy(), numbers, model.get_weights(), operations


def _operations(graph: tf.Graph) -> list[tf.Operation]:
    """Those of a graph and of the functions that it calls."""
    found = []
    for op in graph.get_operations():
        found.append(op)
        if op.type.endswith("PartitionedCall"):
            found += _operations(graph._get_function(op.get_attr("f").name).graph)
    return found


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"center": False}])
def test_outputs_gradients_and_averages_are_those_of_keras(options: dict[str, bool]) -> None:
    plain, fused = convnet("float32", **options), convnet("float32", **options)
    fuse_normalisation(fused)
    expected, computed = trained(plain), trained(fused)
    np.testing.assert_allclose(computed[0], expected[0], rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(computed[1], expected[1], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
    for ours, theirs in zip(computed[2], expected[2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert "FusedBatchNormV3 float32" in computed[3]
    assert "FusedBatchNormV3 float32" not in expected[3]


def test_in_mixed_precision_the_images_stay_in_bfloat16() -> None:
    plain, fused = convnet("mixed_bfloat16"), convnet("mixed_bfloat16")
    fuse_normalisation(fused)
    expected, computed = trained(plain), trained(fused)
    np.testing.assert_allclose(computed[0], expected[0], rtol=0.02, atol=0.02)
    assert "FusedBatchNormV3 bfloat16" in computed[3]


def test_inference_and_frozen_layers_are_left_to_keras() -> None:
    plain, fused = convnet("float32"), convnet("float32")
    fuse_normalisation(fused)
    np.testing.assert_array_equal(fused(IMAGES), plain(IMAGES))
    before = fused.get_weights()
    fused.get_layer("norm").trainable = False
    np.testing.assert_array_equal(fused(IMAGES, training=True), plain(IMAGES))
    for now, then in zip(fused.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_replicas_share_their_statistics_so_keras_computes_them() -> None:
    model = convnet("float32")
    fuse_normalisation(model)
    model.get_layer("norm").synchronized = True  # as with several devices, after it was built
    _, _, _, operations = trained(model)
    assert not [op for op in operations if op.startswith("FusedBatchNorm")]
