"""Trimmed padding: the same result, in less time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras_hub
import numpy as np
import pytest

from models.inputs.encodings import Tokens
from models.inputs.sources.pretrained_tokens import tokens_feature
from models.inputs.tokens import TokensFeature
from models.lazy import keras, tf
from models.trunks.keras_hub import KerasHub
from models.trunks.layers.trim_padding import Trim, trimming
from tests.pretrained_files import text_preset

pytestmark = pytest.mark.slow

IDS = np.array([[5, 6, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [7, 0, 8, 0, 0, 0]], np.int32)
SMALL = {"vocabulary_size": 17, "num_layers": 2, "hidden_dim": 8, "intermediate_dim": 16}


def test_a_batch_is_cut_to_its_longest_text() -> None:
    trim = Trim(0, "trim")
    np.testing.assert_array_equal(trim(IDS), IDS[:, :3])
    np.testing.assert_array_equal(trim(IDS[:1]), IDS[:1, :2])
    np.testing.assert_array_equal(trim(IDS[1:2]), IDS[1:2, :1])
    full = np.ones((2, 6), np.int32)
    np.testing.assert_array_equal(trim(full), full)
    np.testing.assert_array_equal(Trim(8, "trim")(IDS), IDS)
    trim.enabled = False
    np.testing.assert_array_equal(trim(IDS), IDS)


def test_the_length_is_that_of_each_batch_in_one_graph() -> None:
    trim = Trim(0, "trim")
    graph = tf.function(trim.call, input_signature=[tf.TensorSpec([None, 6], tf.int32)])
    assert [graph(ids).shape[1] for ids in (IDS, IDS[:1], IDS[1:2])] == [3, 2, 1]
    symbolic = trim(keras.Input((6,), dtype="int32"))
    assert symbolic.shape == (None, None)
    assert symbolic.dtype == "int32"


@pytest.fixture(scope="module")
def feature(tmp_path_factory: pytest.TempPathFactory) -> TokensFeature:
    files = tmp_path_factory.mktemp("presets") / "text"
    text_preset(files)
    return tokens_feature(Tokens(preset=str(files), length=12), "words", "t")


def ids(rows: int, longest: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    found = np.zeros((rows, 12), np.int32)
    for row, length in zip(found, rng.integers(1, longest + 1, rows), strict=True):
        row[:length] = rng.integers(5, 17, length)
    return found


BACKBONES: dict[str, Callable[[], keras.Model]] = {
    "bert": lambda: keras_hub.models.BertBackbone(**SMALL, num_heads=2, max_sequence_length=16),
    "deberta": lambda: keras_hub.models.DebertaV3Backbone(
        **SMALL, num_heads=2, max_sequence_length=16, bucket_size=4
    ),
    "gpt2": lambda: keras_hub.models.GPT2Backbone(**SMALL, num_heads=2, max_sequence_length=16),
    "fnet": lambda: keras_hub.models.FNetBackbone(**SMALL, max_sequence_length=16),
    "xlnet": lambda: keras_hub.models.XLNetBackbone(**SMALL, num_heads=2),
}


@pytest.mark.parametrize("name", BACKBONES)
def test_representations_and_gradients_stay(
    feature: TokensFeature, tmp_path: Path, name: str
) -> None:
    keras.utils.set_random_seed(0)
    BACKBONES[name]().save_to_preset(str(tmp_path))
    trunk = KerasHub(preset=str(tmp_path)).build((feature,))
    trims = trimming(trunk)
    if name in ("fnet", "xlnet"):
        assert not trims  # what they compute depends on padding
        return

    def representation_and_gradient(words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            found = trunk({"words": words}, training=False)
            loss = tf.reduce_sum(found[:, 0])
        gradient = tape.gradient(loss, trunk.trainable_variables[0])
        return found, tf.convert_to_tensor(gradient)

    given = [ids(6, 5), ids(4, 12), ids(3, 1)]
    signature = [tf.TensorSpec([None, 12], tf.int32)]
    trimmed = tf.function(representation_and_gradient, input_signature=signature)
    found = [trimmed(words) for words in given]
    trims[0].enabled = False
    whole = tf.function(representation_and_gradient, input_signature=signature)
    for words, (representation, gradient) in zip(given, found, strict=True):
        expected, expected_gradient = whole(words)
        np.testing.assert_allclose(representation, expected, atol=1e-5)
        np.testing.assert_allclose(gradient, expected_gradient, atol=1e-5)


def test_in_mixed_precision_and_without_trimming_under_xla(
    feature: TokensFeature, tmp_path: Path
) -> None:
    BACKBONES["bert"]().save_to_preset(str(tmp_path))
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        trunk = KerasHub(preset=str(tmp_path)).build((feature,))
    finally:
        keras.config.set_dtype_policy("float32")
    words = tf.constant(ids(5, 6))
    found = trunk({"words": words}, training=False)
    assert found.dtype == tf.bfloat16
    (trim,) = trimming(trunk)
    trim.enabled = False
    compiled = tf.function(lambda w: trunk({"words": w}, training=False), jit_compile=True)
    np.testing.assert_allclose(
        tf.cast(compiled(words), tf.float32), tf.cast(found, tf.float32), atol=0.05
    )
