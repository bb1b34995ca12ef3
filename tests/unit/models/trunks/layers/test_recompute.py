"""Gradients do not change, and blocks run twice; afterwards they are as before."""

from __future__ import annotations

from pathlib import Path

import keras_hub
import numpy as np
import pytest

from models.lazy import keras, tf
from models.transfer.lora import Lora
from models.trunks.layers.recompute import recomputed_blocks
from models.trunks.sources.text_backbone import text_model
from tests.contract.test_decoders import FEATURE, GROUPED, IDS, PLAIN

pytestmark = pytest.mark.slow


def gradients(trunk: keras.Model) -> tuple[list[np.ndarray], int]:
    """Of the trainable weights, and the number of matrix products."""

    @tf.function(autograph=False)
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(trunk({"words": tf.constant(IDS)}, training=True) ** 3)
        return tape.gradient(loss, trunk.trainable_variables)

    nodes = step.get_concrete_function().graph.as_graph_def()
    products = sum(
        node.op in ("Einsum", "MatMul", "BatchMatMulV2")
        for body in (nodes.node, *(f.node_def for f in nodes.library.function))
        for node in body
    )
    return [np.asarray(tf.convert_to_tensor(g)) for g in step()], products


@pytest.mark.parametrize("lora", [False, True])
def test_gradients_stay_the_same(lora: bool, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    trunk = text_model(
        keras_hub.models.LlamaBackbone(**GROUPED), (FEATURE,), "llama", "mean", "mean"
    )
    if lora:
        for v in Lora(rank=2).plan(trunk).added:
            v.assign(keras.random.normal(v.shape, seed=1))
        for v in trunk.trainable_variables:
            v.trainable = "low_rank" in v.path
    expected, once = gradients(trunk)
    with recomputed_blocks(trunk) as count:
        found, twice = gradients(trunk)
    assert count == 2
    assert twice > once
    assert len(expected) == len(found) > 4
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)
    _, after = gradients(trunk)
    assert after == once


def test_blocks_with_dropout_are_left_alone() -> None:
    for rate, blocks in ((0.0, 2), (0.1, 0)):
        backbone = keras_hub.models.GPT2Backbone(**PLAIN, dropout=rate)
        trunk = text_model(backbone, (FEATURE,), "gpt2", "mean", "mean")
        with recomputed_blocks(trunk) as count:
            assert count == blocks
