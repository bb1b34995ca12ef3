"""TF-IDF of words 1 to 2 and of characters 2 to 5 of a text input, each with a linear model.

Sublinear TF-IDF with L2 norm as in scikit-learn's `TfidfVectorizer`; n-grams are hashed (Weinberger
et al. 2009, "Feature Hashing for Large Scale Multitask Learning", section 2).

No n-gram is ever a string: all of it is arithmetic on code points, several times as fast as
`tf.strings.ngrams` and hashes of strings. A table says what a code point is and its lower case, so
that a model keeps the Unicode of the Python that fitted it. Words and characters, of all tasks, are
counted and looked up together: with few texts, time goes by the number of operations, and with many
by that of random reads of a table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from models.experts.base import Expert, ExpertInputs
from models.lazy import Tensor, tf

ANALYZERS = ("words", "characters")
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
class HashedNgrams(Expert):
    """What experts on n-grams have alike. Their members are the models of words and of characters.

    words, characters: buckets of each, powers of two, at most 2^21. Bucket 0 is never used.
    across_words: whether n-grams of characters may reach over spaces.

    Arrays: `characters` int32 [CODE_POINTS], what a code point does shifted by `CODE_BITS` plus its
    lower case.
    """

    reads_text: ClassVar[bool] = True
    words: int
    characters: int
    across_words: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(f"{self.name}.{analyzer}" for analyzer in ANALYZERS)

    def counts(self, characters: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Segment, row of `table` and count of every n-gram, int32 each, of at most `PIECE` texts.

        The segment is twice the text, plus 1 for characters. Those of row 0 are to be ignored.

        characters: see `Arrays` above. text: [batch] string.
        """
        codes, rows = _code_points(characters, text, self.across_words)
        bits = (self.words + self.characters - 1).bit_length()
        segment = rows * (2 << bits)
        hashes, valid, words = _word_hashes(codes, segment)
        word_keys = tf.where(valid, words + _buckets(hashes, self.words), 0)
        hashes, valid = _character_hashes(codes, self.across_words)
        segments = tf.concat([segment[:-n] for n in range(1, 5)], 0) + ((1 << bits) + self.words)
        character_keys = tf.where(valid, segments + _buckets(hashes, self.characters), 0)
        keys, _, counts = tf.unique_with_counts(tf.concat([word_keys, character_keys], 0))
        segments = tf.bitwise.right_shift(keys, bits)
        return segments, tf.bitwise.bitwise_and(keys, (1 << bits) - 1), counts


@dataclass(frozen=True, kw_only=True)
class Ngrams(HashedNgrams):
    """A linear model on the TF-IDF of a text's n-grams.

    input: name of the text input; it gets the whole raw text, up to `BUDGET` bytes. Invalid UTF-8
        is read as U+FFFD; an empty (missing) text has the margins of its intercepts.

    Further arrays: `table` float32 [words + characters, 1 + units], the idf (0 for n-grams to
    ignore) and the weights times the idf; `intercepts` float32 [2 * units], of words first.
    """

    kind: Literal["ngrams"] = "ngrams"
    input: str

    def margins(self, arrays: Mapping[str, Tensor], inputs: ExpertInputs) -> Tensor:
        width = arrays["intercepts"].shape[0]

        def margins_of(piece: Tensor) -> Tensor:
            segments, buckets, counts = self.counts(arrays["characters"], piece)
            frequency = 1.0 + tf.math.log(tf.cast(counts, tf.float32))
            values = exact(frequency[:, None] * tf.gather(arrays["table"], buckets))
            total = len(ANALYZERS) * tf.size(piece)
            squares = tf.math.unsorted_segment_sum(tf.square(values[:, 0]), segments, total)
            sums = tf.math.unsorted_segment_sum(values[:, 1:], segments, total)
            known = tf.math.divide_no_nan(sums, tf.sqrt(squares)[:, None])
            return tf.reshape(tf.cast(known, tf.float32), [-1, width]) + arrays["intercepts"]

        return in_pieces(margins_of, inputs.raw[self.input], (width,))


def in_pieces(of_piece: Callable[[Tensor], Tensor], text: Tensor, shape: tuple[int, ...]) -> Tensor:
    """What `of_piece` says of texts [batch], float32 [batch, *shape], some texts at a time."""
    batch = tf.size(text)

    def several() -> Tensor:
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

    return tf.cond(batch <= PIECE, lambda: of_piece(text), several)  # a loop takes a tenth longer


def exact(values: Tensor) -> Tensor:
    """As float64, to be summed. Many n-grams have the same idf, which float32 rounds the same way:
    errors of sums add up.
    """
    return tf.cast(values, tf.float64)


def _code_points(characters: Tensor, text: Tensor, merge: bool) -> tuple[Tensor, Tensor]:
    """Entries of `characters`, and their rows, int32 [characters of all texts].

    A space comes before and after each text.

    merge: spaces within a text, so that no two in a row look like the end of one.
    """
    padded = tf.strings.join([" ", tf.strings.substr(text, 0, BUDGET), " "])
    splits, points = tf.raw_ops.UnicodeDecode(
        input=padded, input_encoding="UTF-8", errors="replace", Tsplits=tf.int32
    )
    known = tf.minimum(points, CODE_POINTS - 1)
    codes = tf.gather(characters, known) + (points - known)  # the last entry is ALONE
    places = tf.range(tf.size(points))
    rows = tf.raw_ops.UpperBound(sorted_inputs=splits[None, 1:], values=places[None])[0]
    if not merge:
        return codes, rows
    space = tf.equal(codes, SPACE)
    repeated = space[1:] & space[:-1] & tf.equal(rows[1:], rows[:-1])
    kept = tf.where(~tf.pad(repeated, [[1, 0]])[: tf.size(codes)])[:, 0]
    return tf.gather(codes, kept), tf.gather(rows, kept)


def _buckets(hashes: Tensor, buckets: int) -> Tensor:
    """Int32, from 0: the first bits of mixed hashes."""
    mixed = (hashes ^ tf.bitwise.right_shift(hashes, 15)) * SECOND_FACTOR
    shift = tf.constant(33 - buckets.bit_length(), tf.uint32)
    return tf.bitcast(tf.bitwise.right_shift(tf.bitcast(mixed, tf.uint32), shift), tf.int32)


def _character_hashes(codes: Tensor, across_words: bool) -> tuple[Tensor, Tensor]:
    """Hashes of 2 characters from each, of 3, 4 and 5, and which of them are n-grams.

    Between two texts there are two spaces in a row, which no n-gram holds.
    """
    letter = tf.not_equal(codes, SPACE)
    hashes, valid = codes, letter[1:] | letter[:-1]
    within = valid if across_words else letter[:-1]
    all_hashes, all_valid = [], [valid]
    for n in range(1, 5):
        hashes = hashes[:-1] * FIRST_FACTOR + codes[n:]
        all_hashes.append(hashes)
        if n > 1:
            valid = valid[:-1] & within[n - 1 :]
            all_valid.append(valid)
    return tf.concat(all_hashes, 0), tf.concat(all_valid, 0)


def _word_hashes(codes: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hashes of all words, then of each with the next, which are n-grams, and their rows."""
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
    pairs = hashes[:-1] * FIRST_FACTOR + hashes[1:]
    rows = tf.gather(rows, first)
    valid = tf.concat([tf.ones_like(first, tf.bool), tf.equal(rows[1:], rows[:-1])], 0)
    return tf.concat([hashes, pairs], 0), valid, tf.concat([rows, rows[1:]], 0)
