"""Graph of an n-gram expert against plain Python and scikit-learn's TF-IDF."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from scipy import sparse
from sklearn.feature_extraction.text import TfidfTransformer

from components.experts.ngrams import character_table
from models.experts.base import ExpertInputs
from models.experts.ngrams import (
    ALONE,
    BUDGET,
    CODE_BITS,
    CODE_POINTS,
    FIRST_FACTOR,
    IN_WORD,
    PIECE,
    POSITION_FACTOR,
    SECOND_FACTOR,
    SEPARATOR,
    Ngrams,
)

CHARACTERS = character_table()
TEXTS = [
    "Free entry! Call 0800-555 NOW, now.",
    "ЁЖИК ёжик, И\u0306 и\u0306 й",
    "漢字かな交じり文 and Latin",
    "party 🎉🎉 \U0002070e rare",
    "tabs\tand\n\nlines   and  spaces ",
    "a",
    "",
    "   ",
    "\u00a0!\u200b",
    "snake_case don't",
    "one two one two one two",
]


def int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def code_points(text: str) -> list[tuple[int, int]]:
    """Entries of the table and what they do."""
    pairs = []
    for character in text:
        code = ord(character)
        entry = int(CHARACTERS[code]) if code < CODE_POINTS else ALONE << CODE_BITS | code
        pairs.append((entry, entry >> CODE_BITS))
    return pairs


def words(text: str) -> list[list[int]]:
    found: list[list[int]] = []
    before = SEPARATOR
    for code, does in code_points(text):
        if does == ALONE or (does == IN_WORD and before != IN_WORD):
            found.append([])
        if does != SEPARATOR:
            found[-1].append(code)
        before = does
    return found


def word_hash(word: Sequence[int]) -> int:
    total = 0
    for position, code in enumerate(word):
        mixed = int32(code * FIRST_FACTOR + position * POSITION_FACTOR)
        mixed = int32((mixed ^ mixed >> 15) * SECOND_FACTOR)
        total = int32(total + (mixed ^ mixed >> 13))
    return total


def hashes(text: str, analyzer: str, across: bool) -> Iterator[int]:
    if analyzer == "words":
        found = [word_hash(w) for w in words(text)]
        yield from found
        for first, second in pairwise(found):
            yield int32(first * FIRST_FACTOR + second)
        return
    merged = [32]
    for code, _ in [*code_points(text), (32, SEPARATOR)]:
        if code != 32 or merged[-1] != 32:
            merged.append(code)
    for n in range(2, 6):
        for start in range(len(merged) - n + 1):
            gram = merged[start : start + n]
            blank = 32 in gram[1:-1] and not across
            if not blank and gram != [32, 32]:
                value = gram[0]
                for code in gram[1:]:
                    value = int32(value * FIRST_FACTOR + code)
                yield value


def bucket(value: int, buckets: int) -> int:
    mixed = int32((value ^ value >> 15) * SECOND_FACTOR) % 2**32
    return mixed >> 33 - buckets.bit_length()


def expected_counts(text: str, analyzer: str, buckets: int, across: bool) -> Counter[int]:
    found = Counter(bucket(h, buckets) for h in hashes(text, analyzer, across))
    found.pop(0, None)
    return found


def expert_of(across: bool) -> Ngrams:
    return Ngrams(
        name="ngrams.text", input="text", words=2**12, characters=2**18, across_words=across
    )


def margins(
    expert: Ngrams, arrays: dict[str, np.ndarray], texts: Sequence[str | bytes]
) -> np.ndarray:
    inputs = ExpertInputs(raw={"text": tf.constant(list(texts), tf.string)}, features={})
    constants = {name: tf.constant(a) for name, a in arrays.items()}
    return np.asarray(expert.margins(constants, inputs).numpy())


def random_arrays(units: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    expert = expert_of(False)
    idf = rng.uniform(1, 8, expert.words + expert.characters).astype(np.float32)
    idf[[0, expert.words]] = 0
    weights = rng.normal(size=(len(idf), units)) * idf[:, None]
    table = np.concatenate([idf[:, None], weights], axis=1).astype(np.float32)
    intercepts = rng.normal(size=2 * units).astype(np.float32)
    return {"characters": CHARACTERS, "table": table, "intercepts": intercepts}


def tfidf_model(
    texts: Sequence[str], analyzer: str, buckets: int, across: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Part of the table, and what it says of the texts, by scikit-learn."""
    counted = [expected_counts(t, analyzer, buckets, across) for t in texts]
    rows = [r for r, c in enumerate(counted) for _ in c]
    columns = [b for c in counted for b in c]
    values = [n for c in counted for n in c.values()]
    counts = sparse.csr_matrix((values, (rows, columns)), shape=(len(texts), buckets))
    tfidf = TfidfTransformer(sublinear_tf=True).fit(counts.astype(np.float64))
    weights = np.random.default_rng(buckets).normal(size=(buckets, 2))
    table = np.concatenate([np.ones((buckets, 1)), weights], axis=1) * tfidf.idf_[:, None]
    table[0] = 0
    return table.astype(np.float32), tfidf.transform(counts) @ weights


@pytest.mark.parametrize("across", [False, True])
def test_equals_scikit_learns_tfidf_and_a_linear_map(across: bool) -> None:
    expert = expert_of(across)
    words, of_words = tfidf_model(TEXTS, "words", expert.words, across)
    characters, of_characters = tfidf_model(TEXTS, "characters", expert.characters, across)
    intercepts = np.array([0.5, -1.0, 2.0, 0.25], np.float32)
    table = np.concatenate([words, characters])
    arrays = {"characters": CHARACTERS, "table": table, "intercepts": intercepts}
    expected = np.concatenate([of_words, of_characters], axis=1) + intercepts
    np.testing.assert_allclose(margins(expert, arrays, TEXTS), expected, atol=1e-5)


def test_many_ngrams_of_one_idf_are_summed_exactly() -> None:
    """Sums of equal numbers in float32 are off by up to a hundred thousandth."""
    expert = expert_of(False)
    text = " ".join(f"w{i}" for i in range(1500))
    table = np.full((expert.words + expert.characters, 2), [3.3, 1.1 * 3.3], np.float32)
    table[[0, expert.words]] = 0
    arrays = {"characters": CHARACTERS, "table": table, "intercepts": np.zeros(2, np.float32)}
    (found,) = margins(expert, arrays, [text])
    for margin, analyzer, buckets in zip(
        found, ("words", "characters"), (expert.words, expert.characters), strict=True
    ):
        counts = np.array(list(expected_counts(text, analyzer, buckets, False).values()))
        frequency = 1 + np.log(counts)
        expected = 1.1 * frequency.sum() / np.sqrt((frequency**2).sum())
        np.testing.assert_allclose(margin, expected, rtol=1e-6)


@pytest.mark.parametrize("across", [False, True])
def test_a_text_has_the_same_margins_in_any_batch(across: bool) -> None:
    expert, arrays = expert_of(across), random_arrays()
    texts = [random.Random(i).choice(TEXTS) + str(i % 7) for i in range(2 * PIECE + 5)]
    together = margins(expert, arrays, texts)
    alone = np.concatenate([margins(expert, arrays, [t]) for t in texts[:: PIECE // 4]])
    np.testing.assert_array_equal(together[:: PIECE // 4], alone)
    np.testing.assert_array_equal(together[:PIECE], margins(expert, arrays, texts[:PIECE]))


@pytest.mark.parametrize("across", [False, True])
def test_bad_and_empty_texts_have_defined_margins(across: bool) -> None:
    expert, arrays = expert_of(across), random_arrays()
    long = ("many words, " * 100_000).encode()
    texts = ["", long, long[:BUDGET], b"caf\xe9 \xff", "caf\ufffd \ufffd", b"nul \0 byte", " \n"]
    found = margins(expert, arrays, texts)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], arrays["intercepts"])
    np.testing.assert_array_equal(found[6], arrays["intercepts"])
    np.testing.assert_array_equal(found[1], found[2])
    np.testing.assert_array_equal(found[3], found[4])
    assert margins(expert, arrays, []).shape == (0, 6)
    assert margins(expert, arrays, ["", ""]).shape == (2, 6)


def test_case_does_not_matter_and_symbols_do() -> None:
    texts = ["ЁЖ İ Now!", "ёж i NOW !", "ёж i now", "ёж i now🎉"]
    found = margins(expert_of(False), random_arrays(), texts)[:, :3]  # of words
    np.testing.assert_array_equal(found[0], found[1])
    assert (np.abs(found[1] - found[2]) > 1e-3).all()
    assert (np.abs(found[3] - found[2]) > 1e-3).all()


@pytest.mark.slow
@pytest.mark.parametrize("across", [False, True])
def test_every_operation_is_in_the_core_of_tensorflow(across: bool) -> None:
    expert = expert_of(across)
    arrays = {n: tf.constant(a) for n, a in random_arrays().items()}
    function = tf.function(
        lambda text: expert.margins(arrays, ExpertInputs(raw={"text": text}, features={})),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    graph = function.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    operations = {n.op for n in nodes} - {f.signature.name for f in graph.library.function}
    assert {"UnicodeDecode", "UniqueWithCounts"} <= operations
    assert {o for o in operations if not hasattr(tf.raw_ops, o)} <= {"_Arg", "_Retval"}
