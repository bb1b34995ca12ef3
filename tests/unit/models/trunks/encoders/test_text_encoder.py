"""Pooled word embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from models.lazy import keras
from models.trunks.encoders.text_encoder import TextEncoder

WORDS = np.array([[2, 4, 3, 2, 0, 0], [3, 0, 0, 0, 0, 0], [0] * 6], np.int32)


def encoder(length: int = 6, **options: int) -> keras.Model:
    keras.utils.set_random_seed(0)
    words = keras.Input((length,), dtype="int32")
    return keras.Model(words, TextEncoder(embedding=5, **options).encode(words, 8, "t"))


def test_a_text_is_the_mean_and_the_maximum_of_its_words() -> None:
    model = encoder()
    (table,) = model.get_weights()
    found = model(WORDS, training=False)
    words = table[[2, 4, 3, 2]]
    expected = np.concatenate([words.mean(axis=0), words.max(axis=0)])
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    np.testing.assert_allclose(found[1], np.tile(table[3], 2), rtol=1e-5)


@pytest.mark.parametrize("filters", [0, 4])
@pytest.mark.parametrize("training", [False, True])
def test_a_text_without_words_is_zero(filters: int, training: bool) -> None:
    found = encoder(filters=filters)(WORDS[2:], training=training)
    np.testing.assert_array_equal(found, np.zeros((1, 10 + filters)))


@pytest.mark.parametrize("filters", [0, 4])
def test_padding_changes_nothing(filters: int) -> None:
    short = encoder(4, filters=filters)(WORDS[:, :4], training=False)
    np.testing.assert_array_equal(short, encoder(6, filters=filters)(WORDS, training=False))


def test_training_leaves_words_out_whole_and_does_not_scale_the_others() -> None:
    model = encoder(length=2)
    (table,) = model.get_weights()
    found = np.asarray(model(np.tile(np.int32([[2, 3]]), (400, 1)), training=True))[:, :5]
    both = table[2:4].mean(axis=0)
    kinds = np.stack([np.zeros(5, np.float32), table[2], table[3], both])
    distances = abs(found[:, None] - kinds).max(axis=2)
    assert distances.min(axis=1).max() < 1e-6
    assert np.bincount(distances.argmin(axis=1)) == pytest.approx([100] * 4, abs=40)
