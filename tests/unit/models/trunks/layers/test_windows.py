"""Texts longer than the trunk's length are read in windows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.inputs.layers.tokens import Tokenizer
from models.inputs.sources.pretrained_tokens import tokens_feature
from models.inputs.tokens import TokensFeature
from models.lazy import tf
from models.trunks.keras_hub import KerasHub
from models.trunks.layers.trim_padding import trimming
from models.trunks.layers.windows import PutBack, TakeWindows, pooled_windows
from tests.pretrained_files import text_preset

IDS = np.array([[[5, 6, 7], [8, 9, 0], [0, 0, 0]], [[0] * 3] * 3, [[5, 0, 0]] + [[0] * 3] * 2])
TEXTS = ["win a prize now", "", "call me", "win a prize now " * 9, "free " * 13 + "prize"]


def test_only_windows_that_hold_text_are_taken() -> None:
    take = TakeWindows(0, "windows")
    ids, positions = take(tf.constant(IDS, tf.int32))
    assert positions.numpy().tolist() == [0, 1, 3, 6]  # the empty text has its first window
    np.testing.assert_array_equal(ids, IDS.reshape(-1, 3)[[0, 1, 3, 6]])
    take.enabled = False
    ids, positions = take(tf.constant(IDS, tf.int32))
    assert positions.numpy().tolist() == list(range(9))
    np.testing.assert_array_equal(ids, IDS.reshape(-1, 3))


def test_what_was_computed_returns_to_its_window() -> None:
    x = tf.constant([[1.0, 2], [3, 4], [5, 6]])
    found = PutBack()(x, tf.constant([0, 1, 5]), tf.constant(IDS[:2], tf.int32))
    np.testing.assert_array_equal(found, [[[1, 2], [3, 4], [0, 0]], [[0, 0], [0, 0], [5, 6]]])


@pytest.mark.parametrize(("how", "expected"), [("mean", [-2.5, 3]), ("max", [-1, 4])])
def test_windows_without_text_do_not_count(how: str, expected: list[float]) -> None:
    x = np.array([[[-1, 0], [-3, 4], [9, 9]], [[9, 9]] * 3], np.float32)
    found = pooled_windows(x, np.array([[1, 3, 0], [0, 0, 0]], np.int32), how)
    np.testing.assert_allclose(found, [expected, [0, 0]], rtol=1e-6)


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> KerasHub:
    files = tmp_path_factory.mktemp("presets") / "text"
    text_preset(files)
    return KerasHub(preset=str(files), length=8)


@pytest.fixture(scope="module")
def feature(trunk: KerasHub) -> TokensFeature:
    return tokens_feature(trunk.reading(), "words", "t")


@pytest.mark.slow
def test_windows_hold_every_token_once(feature: TokensFeature) -> None:
    assert (feature.shape, feature.read_limit) == ((4, 8), "4 windows of 8 tokens")
    tokenizer = Tokenizer(feature)
    ids, cut = tokenizer.counting_cuts(tf.constant(TEXTS))
    tokens = [list(map(int, text)) for text in tokenizer.tokenizer(tf.constant(TEXTS))]
    assert cut == sum(len(text) > 4 * 6 for text in tokens) == 1
    for windows, text in zip(ids.numpy(), tokens, strict=True):
        held = [[int(i) for i in w if i != feature.pad] for w in windows]
        used = [w for w in held if w]
        assert used == held[: len(used)]
        assert len(used) == min(max(-(-len(text) // 6), 1), 4)
        assert {(w[0], w[-1]) for w in used} == {(feature.start, feature.end)}
        assert [i for w in used for i in w[1:-1]] == text[:24]
        assert max(map(len, used)) - min(map(len, used[:-1] or used)) == 0, "spread evenly"


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "first", "pooled"])
@pytest.mark.parametrize("window_pooling", ["mean", "max"])
def test_a_text_is_pooled_over_its_windows(
    trunk: KerasHub, feature: TokensFeature, pooling: str, window_pooling: str
) -> None:
    options = {"pooling": pooling, "window_pooling": window_pooling}
    several = replace(trunk, **options)  # type: ignore[arg-type]
    one = replace(feature, windows=1)
    alone = several.build((one,))
    model = several.build((feature,))
    ids = Tokenizer(feature)(tf.constant(TEXTS))
    found = np.asarray(model({"words": ids}, training=False))
    short = alone({"words": Tokenizer(one)(tf.constant(TEXTS[:3]))}, training=False)
    np.testing.assert_allclose(found[:3], short, atol=1e-6)  # as without windows
    for row in range(len(TEXTS)):  # whatever it is batched with
        single = model({"words": ids[row : row + 1]}, training=False)
        np.testing.assert_allclose(single[0], found[row], atol=1e-6)
    windows = alone({"words": ids[3]}, training=False).numpy()
    counts = np.count_nonzero(ids[3], axis=1)
    assert (counts > 0).all()
    expected = {"mean": np.average(windows, axis=0, weights=counts), "max": windows.max(axis=0)}
    np.testing.assert_allclose(found[3], expected[window_pooling], atol=1e-6)


@pytest.mark.slow
def test_served_compiled_and_differentiated(
    trunk: KerasHub, feature: TokensFeature, tmp_path: Path
) -> None:
    model, tokenizer = trunk.build((feature,)), Tokenizer(feature)
    texts = tf.constant(TEXTS)
    ids = tokenizer(texts)

    def gradient() -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            found = model({"words": ids}, training=False)
            loss = tf.reduce_sum(found[:, 0] ** 2)
        return found, tape.gradient(loss, model.trainable_variables[-1])

    found, slope = gradient()
    module = tf.Module()
    module.model, module.tokenizer = model, tokenizer
    module.serve = tf.function(
        lambda text: model({"words": tokenizer(text)}, training=False),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(loaded.serve(texts), found, atol=1e-5)
    np.testing.assert_allclose(loaded.serve(texts[2:3]), found[2:3], atol=1e-5)
    assert loaded.serve(texts[:0]).shape == (0, found.shape[1])
    for layer in trimming(model):  # all windows, all padding: what XLA needs
        layer.enabled = False
    whole, whole_slope = gradient()
    np.testing.assert_allclose(whole, found, atol=1e-5)
    np.testing.assert_allclose(whole_slope, slope, atol=1e-5)
    compiled = tf.function(lambda x: model({"words": x}, training=False), jit_compile=True)
    np.testing.assert_allclose(compiled(ids), found, atol=1e-5)
