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
    Analyzer,
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
VARIANTS: list[tuple[Analyzer, bool]] = [
    ("words", False), ("characters", False), ("characters", True)
]  # fmt: skip


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


def hashes(text: str, analyzer: Analyzer, across: bool) -> Iterator[int]:
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
    mixed = int32((value ^ value >> 15) * SECOND_FACTOR)
    return (mixed ^ mixed >> 13) >> 11 & buckets - 1


def expected_counts(text: str, expert: Ngrams) -> Counter[int]:
    found = Counter(
        bucket(h, expert.buckets) for h in hashes(text, expert.analyzer, expert.across_words)
    )
    found.pop(0, None)
    return found


def expert_of(analyzer: Analyzer, across: bool, buckets: int = 2**18) -> Ngrams:
    return Ngrams(
        name="ngrams.text", input="text", analyzer=analyzer, buckets=buckets, across_words=across
    )


def margins(
    expert: Ngrams, arrays: dict[str, np.ndarray], texts: Sequence[str | bytes]
) -> np.ndarray:
    inputs = ExpertInputs(raw={"text": tf.constant(list(texts), tf.string)}, features={})
    constants = {name: tf.constant(a) for name, a in arrays.items()}
    return np.asarray(expert.margins(constants, inputs).numpy())


def random_arrays(buckets: int, units: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    idf = rng.uniform(1, 8, buckets).astype(np.float32)
    idf[0] = 0
    weights = rng.normal(size=(buckets, units)) * idf[:, None]
    table = np.concatenate([idf[:, None], weights], axis=1).astype(np.float32)
    intercepts = rng.normal(size=units).astype(np.float32)
    return {"characters": CHARACTERS, "table": table, "intercepts": intercepts}


@pytest.mark.parametrize(("analyzer", "across"), VARIANTS)
def test_equals_scikit_learns_tfidf_and_a_linear_map(analyzer: Analyzer, across: bool) -> None:
    expert = expert_of(analyzer, across)
    counted = [expected_counts(t, expert) for t in TEXTS]
    rows = [r for r, c in enumerate(counted) for _ in c]
    columns = [b for c in counted for b in c]
    values = [n for c in counted for n in c.values()]
    counts = sparse.csr_matrix((values, (rows, columns)), shape=(len(TEXTS), expert.buckets))
    tfidf = TfidfTransformer(sublinear_tf=True).fit(counts.astype(np.float64))
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(expert.buckets, 2))
    intercepts = rng.normal(size=2)
    table = np.concatenate([np.ones((expert.buckets, 1)), weights], axis=1) * tfidf.idf_[:, None]
    table[0] = 0
    arrays = {
        "characters": CHARACTERS,
        "table": table.astype(np.float32),
        "intercepts": intercepts.astype(np.float32),
    }
    expected = tfidf.transform(counts) @ weights + intercepts
    np.testing.assert_allclose(margins(expert, arrays, TEXTS), expected, atol=1e-5)


@pytest.mark.parametrize(("analyzer", "across"), VARIANTS)
def test_a_text_has_the_same_margins_in_any_batch(analyzer: Analyzer, across: bool) -> None:
    expert, arrays = expert_of(analyzer, across), random_arrays(2**18)
    texts = [random.Random(i).choice(TEXTS) + str(i % 7) for i in range(2 * PIECE + 5)]
    alone = np.concatenate([margins(expert, arrays, [t]) for t in texts[:: PIECE // 4]])
    np.testing.assert_array_equal(margins(expert, arrays, texts)[:: PIECE // 4], alone)


@pytest.mark.parametrize(("analyzer", "across"), VARIANTS)
def test_bad_and_empty_texts_have_defined_margins(analyzer: Analyzer, across: bool) -> None:
    expert, arrays = expert_of(analyzer, across), random_arrays(2**18)
    long = ("many words, " * 100_000).encode()
    texts = ["", long, long[:BUDGET], b"caf\xe9 \xff", "caf\ufffd \ufffd", b"nul \0 byte", " \n"]
    found = margins(expert, arrays, texts)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[0], arrays["intercepts"])
    np.testing.assert_array_equal(found[6], arrays["intercepts"])
    np.testing.assert_array_equal(found[1], found[2])
    np.testing.assert_array_equal(found[3], found[4])
    assert margins(expert, arrays, []).shape == (0, 3)
    assert margins(expert, arrays, ["", ""]).shape == (2, 3)


def test_case_does_not_matter_and_symbols_do() -> None:
    expert, arrays = expert_of("words", False), random_arrays(2**18)
    found = margins(expert, arrays, ["ЁЖ İ Now!", "ёж i NOW !", "ёж i now", "ёж i now🎉"])
    np.testing.assert_array_equal(found[0], found[1])
    assert (np.abs(found[1] - found[2]) > 1e-3).all()
    assert (np.abs(found[3] - found[2]) > 1e-3).all()


@pytest.mark.parametrize(("analyzer", "across"), VARIANTS)
def test_every_operation_is_in_the_core_of_tensorflow(analyzer: Analyzer, across: bool) -> None:
    expert = expert_of(analyzer, across)
    arrays = {n: tf.constant(a) for n, a in random_arrays(2**18).items()}
    function = tf.function(
        lambda text: expert.margins(arrays, ExpertInputs(raw={"text": text}, features={})),
        input_signature=[tf.TensorSpec([None], tf.string)],
    )
    graph = function.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    operations = {n.op for n in nodes} - {f.signature.name for f in graph.library.function}
    assert {"UnicodeDecode", "UniqueWithCounts"} <= operations
    assert {o for o in operations if not hasattr(tf.raw_ops, o)} <= {"_Arg", "_Retval"}
