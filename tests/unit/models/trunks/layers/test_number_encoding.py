from __future__ import annotations

from itertools import pairwise

import numpy as np

from models.lazy import keras
from models.trunks.layers.number_encoding import NumberEncoding

KNOTS = ((-1.0, 0.0, 0.5, 2.0), (0.0, 1.0))
WIDTH = 3


def make_layer() -> NumberEncoding:
    keras.utils.set_random_seed(0)
    layer = NumberEncoding(KNOTS, WIDTH)
    layer.build((None, len(KNOTS)))
    return layer


def encoded(layer: NumberEncoding, first: float, second: float) -> np.ndarray:
    x = np.array([[first, second]], np.float32)
    return np.asarray(layer(x)).reshape(len(KNOTS), 1 + 2 * WIDTH)


def piecewise_linear(x: float, knots: tuple[float, ...]) -> list[float]:
    """Equation 1 of Gorishniy et al. 2022, with ends of the first and the last bin."""
    parts = []
    for start, end in pairwise(knots):
        parts.append(0.0 if x < start else 1.0 if x >= end else (x - start) / (end - start))
    return parts


def test_numbers_are_encoded_as_in_the_paper() -> None:
    layer = make_layer()
    kernel, bias = np.asarray(layer.kernel), np.asarray(layer.bias)
    for x in (-1.0, -0.25, 0.0, 0.4, 0.5, 1.9, 2.0):
        found = encoded(layer, x, 0.3)[:, 1 : 1 + WIDTH]
        for column, number in enumerate((x, 0.3)):
            parts = piecewise_linear(number, KNOTS[column])
            expected = np.maximum(parts @ kernel[column, : len(parts)] + bias[column], 0)
            np.testing.assert_allclose(found[column], expected, atol=1e-6)


def test_each_number_gets_the_vector_of_its_nearest_knot() -> None:
    layer = make_layer()
    near = np.asarray(layer.embeddings)
    assert near.shape == (len(KNOTS[0]) + 1 + len(KNOTS[1]) + 1, WIDTH)
    for x, knot in ((-9, 0), (-0.51, 0), (-0.49, 1), (0.26, 2), (0.5, 2), (1.3, 3), (99, 3)):
        np.testing.assert_array_equal(encoded(layer, x, 0)[0, -WIDTH:], near[1 + knot])
    np.testing.assert_array_equal(encoded(layer, 0, 0.6)[1, -WIDTH:], near[-1])


def test_rounding_errors_do_not_decide_on_numbers_between_two_knots() -> None:
    years, mean, deviation = np.arange(17, 91, dtype=np.float32), np.float32(38.58), 13.64
    ages = (years - mean) / np.float32(deviation)
    layer = NumberEncoding((tuple(map(float, ages[::2])),), WIDTH)
    layer.build((None, 1))
    other = (years - mean) * np.float32(1 / deviation)  # as in the served graph
    assert (ages != other).any()
    vectors = [np.asarray(layer(x[:, None]))[:, -WIDTH:] for x in (ages, other)]
    np.testing.assert_array_equal(*vectors)


def test_a_missing_number_has_a_vector_of_its_own_and_is_no_number() -> None:
    layer = make_layer()
    near = np.asarray(layer.embeddings)
    first, second = encoded(layer, np.nan, np.nan)
    np.testing.assert_array_equal(first[-WIDTH:], near[0])
    np.testing.assert_array_equal(second[-WIDTH:], near[len(KNOTS[0]) + 1])
    assert not first[:-WIDTH].any()  # the biases are still zero


def test_only_the_number_itself_continues_beyond_the_last_knot() -> None:
    layer = make_layer()
    for outlier, knot in ((1e9, 2.0), (-1e9, -1.0)):
        far, end = encoded(layer, outlier, 0), encoded(layer, knot, 0)
        np.testing.assert_array_equal(far[:, 1:], end[:, 1:])
        assert (far[0, 0], end[0, 0]) == (np.float32(outlier), knot)


def test_mixed_precision_keeps_numbers_apart() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = NumberEncoding(((1.0, 1.001, 1.002),), WIDTH)
        a, b = (np.asarray(layer(np.array([[x]], np.float32))) for x in (1.0, 1.001))
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.abs(a[0, -WIDTH:] - b[0, -WIDTH:]).max() > 1e-3
