"""TF-IDF of words 1 to 2, or of characters 2 to 5, of a text input, with a linear model.

Sublinear TF-IDF with L2 norm as in scikit-learn's `TfidfVectorizer`; n-grams are hashed (Weinberger
et al. 2009, "Feature Hashing for Large Scale Multitask Learning", section 2).

No n-gram is ever a string: all of it is arithmetic on code points, several times as fast as
`tf.strings.ngrams` and hashes of strings. A table says what a code point is and its lower case, so
that a model keeps the Unicode of the Python that fitted it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from models.experts.base import Expert, ExpertInputs
from models.lazy import Tensor, tf

Analyzer = Literal["words", "characters"]

BUDGET = 20_000
"""Bytes of UTF-8 of a text that are read; the rest is ignored."""
PIECE = 64
"""Rows analysed at a time: memory is bounded by `PIECE * BUDGET`, whatever the batch."""
CODE_POINTS = 0x20000
"""Those that the table knows. The others (rare ideographs) are words of their own."""
SPACE = 32
CODE_BITS = 21
SEPARATOR, IN_WORD, ALONE = range(3)
"""What a code point does: separates words, is a part of one, or is one (`!`, an ideograph)."""
FIRST_FACTOR, SECOND_FACTOR, POSITION_FACTOR = -1640531535, -2048144777, -1028477387
"""Odd multipliers of the hashes (those of xxHash), as int32."""


@dataclass(frozen=True, kw_only=True)
class Ngrams(Expert):
    """What an n-gram expert reads.

    input: name of the text input; it gets the whole raw text, up to `BUDGET` bytes. Invalid UTF-8
        is read as U+FFFD; an empty (missing) text has the margins of its intercepts.
    buckets: a power of two, at most 2^20. Bucket 0 is never used.
    across_words: whether n-grams of characters may reach over spaces.

    Arrays: `characters` int32 [CODE_POINTS], what a code point does shifted by `CODE_BITS` plus its
    lower case; `table` float32 [buckets, 1 + units], the idf (0 for n-grams to ignore) and the
    weights times the idf; `intercepts` float32 [units].
    """

    kind: Literal["ngrams"] = "ngrams"
    input: str
    analyzer: Analyzer
    buckets: int
    across_words: bool = False

    def margins(self, arrays: Mapping[str, Tensor], inputs: ExpertInputs) -> Tensor:
        def margins_of(piece: Tensor) -> Tensor:
            rows, buckets, counts = self.counts(arrays["characters"], piece)
            frequency = 1.0 + tf.math.log(tf.cast(counts, tf.float32))
            values = frequency[:, None] * tf.gather(arrays["table"], buckets)
            sums = tf.math.segment_sum(values, rows)[:, 1:]
            norm = tf.sqrt(tf.math.segment_sum(tf.square(values[:, :1]), rows))
            known = tf.math.divide_no_nan(sums, norm)
            after = tf.size(piece) - tf.shape(known)[0]  # texts at the end without n-grams
            return tf.pad(known, [[0, after], [0, 0]]) + arrays["intercepts"]

        text, units = inputs.raw[self.input], arrays["intercepts"].shape[0]
        return in_pieces(margins_of, text, (units,))

    def counts(self, characters: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Row, bucket and count of every n-gram, int32 each, of at most `PIECE` texts.

        Rows come in order. Those of bucket 0 are to be ignored.

        characters: see `Arrays` above. text: [batch] string.
        """
        codes, rows = _code_points(characters, text)
        if self.analyzer == "words":
            hashes, rows, valid = _word_hashes(codes, rows)
        else:
            hashes, rows, valid = _character_hashes(codes, rows, self.across_words)
        mixed = (hashes ^ tf.bitwise.right_shift(hashes, 15)) * SECOND_FACTOR
        mixed = tf.bitwise.right_shift(mixed ^ tf.bitwise.right_shift(mixed, 13), 11)
        buckets = tf.where(valid, tf.bitwise.bitwise_and(mixed, self.buckets - 1), 0)
        keys, _, counts = tf.unique_with_counts(tf.reshape(rows * self.buckets + buckets, [-1]))
        return keys // self.buckets, tf.bitwise.bitwise_and(keys, self.buckets - 1), counts


def in_pieces(of_piece: Callable[[Tensor], Tensor], text: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What `of_piece` says of texts [batch], float32 [batch, *shape], some texts at a time."""
    batch = tf.maximum(tf.size(text), 1)  # an empty batch is one empty piece
    results = tf.TensorArray(
        tf.float32, 0, dynamic_size=True, infer_shape=False, element_shape=(None, *shape)
    )
    _, results = tf.while_loop(
        lambda i, _: i * PIECE < batch,
        lambda i, done: (i + 1, done.write(i, of_piece(text[i * PIECE : (i + 1) * PIECE]))),
        (0, results),
        parallel_iterations=1,
    )
    return results.concat()


def _code_points(characters: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """Entries of `characters`, and their rows, int32 [characters of all texts].

    A space comes before and after each text.
    """
    padded = tf.strings.join([" ", tf.strings.substr(text, 0, BUDGET), " "])
    ragged = tf.strings.unicode_decode(padded, "UTF-8", errors="replace")
    known = tf.minimum(ragged.values, CODE_POINTS - 1)
    codes = tf.gather(characters, known) + (ragged.values - known)  # the last entry is ALONE
    return codes, tf.cast(ragged.value_rowids(), tf.int32)


def _character_hashes(
    codes: Tensor, rows: Tensor, across_words: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Hashes of 2 to 5 characters from each, [characters, 4], their rows, and which are n-grams.

    Between two texts there are two spaces in a row, which no n-gram holds.
    """
    if across_words:  # merge the spaces within texts, so that they do not look like the end of one
        space = tf.equal(codes, SPACE)
        repeated = space[1:] & space[:-1] & tf.equal(rows[1:], rows[:-1])
        kept = tf.where(~tf.pad(repeated, [[1, 0]])[: tf.size(codes)])[:, 0]
        codes, rows = tf.gather(codes, kept), tf.gather(rows, kept)
    count = tf.size(codes)
    codes = tf.pad(codes, [[0, 4]], constant_values=SPACE)
    space = tf.equal(codes, SPACE)
    ends = space[1:] & space[:-1]
    hashes, valid = codes[:count], ~ends[:count]
    all_hashes, all_valid = [], []
    for n in range(1, 5):
        hashes = hashes * FIRST_FACTOR + codes[n : count + n]
        if n > 1:
            valid &= ~(ends if across_words else space)[n - 1 : count + n - 1]
        all_hashes.append(hashes)
        all_valid.append(valid)
    return tf.stack(all_hashes, 1), rows[:, None], tf.stack(all_valid, 1)


def _word_hashes(codes: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hashes of each word and of it with the next, [words, 2], their rows, and which there are."""
    does = tf.bitwise.right_shift(codes, CODE_BITS)
    in_word = tf.equal(does, IN_WORD)
    before = tf.pad(in_word[:-1], [[1, 0]])[: tf.size(codes)]
    starts = tf.equal(does, ALONE) | (in_word & ~before)
    first = tf.cast(tf.where(starts)[:, 0], tf.int32)
    word = tf.cumsum(tf.cast(starts, tf.int32))  # 0 before the first word, then 1, 2, ...
    position = tf.range(tf.size(codes)) - tf.gather(tf.pad(first, [[1, 0]]), word)
    mixed = codes * FIRST_FACTOR + position * POSITION_FACTOR
    mixed = (mixed ^ tf.bitwise.right_shift(mixed, 15)) * SECOND_FACTOR
    mixed = tf.where(tf.equal(codes, SPACE), 0, mixed ^ tf.bitwise.right_shift(mixed, 13))
    hashes = tf.math.segment_sum(mixed, word)[1:]
    rows = tf.gather(rows, first)
    pairs = hashes * FIRST_FACTOR + tf.roll(hashes, -1, 0)
    paired = tf.pad(tf.equal(rows[1:], rows[:-1]), [[0, 1]])[: tf.size(rows)]
    valid = tf.stack([tf.ones_like(paired), paired], 1)
    return tf.stack([hashes, pairs], 1), rows[:, None], valid
