"""What two texts have in common, against plain Python."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import tensorflow as tf

from components.experts.ngrams import character_table
from models.experts.base import ExpertInputs
from models.experts.pairs import NUMBERS, Pairs, Terms

WORDS, CHARS = 2**16, 2**12
FIRST = ["a cat and a dog", "", "one two", "same same words", "left"]
SECOND = ["a dog and two cats", "alone", "one two", "same words words", ""]
EXPERT = Pairs(name="pairs", first="p", second="q", words=WORDS, characters=CHARS)
CHARACTERS = tf.constant(character_table())
IDF = np.random.default_rng(0).uniform(1, 3, WORDS + CHARS).astype(np.float32)
IDF[0] = 0


def terms(first: list[str], second: list[str]) -> Terms:
    texts = (tf.constant(side, tf.string) for side in (first, second))
    return EXPERT.terms(CHARACTERS, tf.constant(IDF), *texts)


def ngrams(text: str) -> Counter[object]:
    """Words 1 to 2 of a text that has letters only."""
    words = text.split()
    return Counter([*words, *pairwise(words)])


def test_numbers_count_the_ngrams_in_common() -> None:
    found = terms(FIRST, SECOND).numbers.numpy()
    assert found.shape == (5, 2 * NUMBERS)
    for row, a, b in zip(found, map(ngrams, FIRST), map(ngrams, SECOND), strict=True):
        both, either = len(a.keys() & b.keys()), len(a.keys() | b.keys())
        shares = [both / max(n, 1) for n in (either, len(a), len(b))]
        lengths = [len(a), len(b), len(a) - len(b), len(a) - both, len(b) - both]
        np.testing.assert_allclose(row[1:NUMBERS], [*shares, *lengths], rtol=1e-6)
    np.testing.assert_allclose(found[2, 0], 1, rtol=1e-6)
    assert 0 < found[0, 0] < found[3, 0] < 1
    assert found[1, 0] == found[4, 0] == 0
    assert (found[2, NUMBERS + 1 : NUMBERS + 4] == 1).all()  # characters
    assert (found[:, NUMBERS + 4] > found[:, 4]).sum() == 4


def test_differences_and_products_are_those_of_unit_vectors() -> None:
    found = terms(FIRST, SECOND)
    difference, product = found.difference.numpy(), found.product.numpy()
    texts = np.array([[bool(t) for t in side] for side in (FIRST, SECOND)]).sum(axis=0)
    squares = np.bincount(found.segment, difference**2, 10).reshape(5, 2)
    cosines = np.bincount(found.segment, product, 10).reshape(5, 2)
    np.testing.assert_allclose(squares, texts[:, None] - 2 * cosines, atol=1e-5)
    np.testing.assert_allclose(cosines, found.numbers.numpy()[:, [0, NUMBERS]], atol=1e-6)


def test_margins_are_a_linear_model_of_the_terms() -> None:
    rng = np.random.default_rng(1)
    arrays = {
        "characters": CHARACTERS,
        "idf": IDF,
        "table": rng.normal(size=(WORDS + CHARS, 4)).astype(np.float32),
        "source": np.array([0, 4, NUMBERS], np.int32),
        "low": np.array([0, 0, 0.1], np.float32),
        "high": np.array([0.5, 2, 0.6], np.float32),
        "kernel": rng.normal(size=(3, 4)).astype(np.float32),
        "intercepts": np.array([1.0, -1.0, 2.0, 0.0], np.float32),
    }
    constants = {name: tf.constant(a) for name, a in arrays.items()}

    def margins(first: list[str], second: list[str]) -> np.ndarray:
        raw = {"p": tf.constant(first, tf.string), "q": tf.constant(second, tf.string)}
        return np.asarray(EXPERT.margins(constants, ExpertInputs(raw=raw, features={})))

    found = margins(FIRST, SECOND)
    all_terms = terms(FIRST, SECOND)
    table = arrays["table"][all_terms.row.numpy()]
    values = all_terms.difference.numpy()[:, None] * table[:, :2]
    values += all_terms.product.numpy()[:, None] * table[:, 2:]
    expected = np.zeros((10, 2))
    np.add.at(expected, all_terms.segment.numpy(), values)
    expected = expected.reshape(5, 4) + arrays["intercepts"]
    numbers = all_terms.numbers.numpy()[:, arrays["source"]]
    pieces = np.clip((numbers - arrays["low"]) / (arrays["high"] - arrays["low"]), 0, 1)
    np.testing.assert_allclose(found, expected + pieces @ arrays["kernel"], atol=1e-5)
    np.testing.assert_allclose(margins(FIRST[:1], SECOND[:1]), found[:1], atol=1e-6)
    many = margins(FIRST * 30, SECOND * 30)  # more than a piece
    np.testing.assert_allclose(many, np.tile(found, (30, 1)), atol=1e-6)
    assert margins([], []).shape == (0, 4)
