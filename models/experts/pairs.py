"""Compares two text inputs by their n-grams, with a linear model.

Reads the absolute differences and the products of both TF-IDF vectors (Mou et al. 2016, "Natural
Language Inference by Tree-Based Convolution and Heuristic Matching", section 3.3, do so with
sentence vectors), and how much the texts have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from models.experts.base import ExpertInputs
from models.experts.ngrams import ANALYZERS, HashedNgrams, in_pieces
from models.lazy import Tensor, tf

NUMBERS = 9
"""How many numbers say what a pair has in common, of words and of characters each."""


class Terms(NamedTuple):
    """What is known of the n-grams of some pairs. An entry for each n-gram of a pair.

    segment: int32 [entries], twice the pair, plus 1 for characters. row: int32 [entries], of the
    arrays. difference, product: float32 [entries], of its TF-IDF values in both texts.
    numbers: float32 [pairs, 2 x NUMBERS], of words first: cosine; shared n-grams by those of both,
    of the first and of the second text; n-grams of the first, of the second, the difference of
    these; n-grams of the first only and of the second only.
    """

    segment: Tensor
    row: Tensor
    difference: Tensor
    product: Tensor
    numbers: Tensor


@dataclass(frozen=True, kw_only=True)
class Pairs(HashedNgrams):
    """A linear model on what two texts have in common.

    first, second: names of the text inputs.

    Further arrays: `idf` float32 [words + characters]; `table` float32
    [words + characters, 2 x units], weights of differences and of products; `source` int32
    [pieces], `low` and `high` float32 [pieces], into which the numbers are split as for
    `models.experts.linear.Linear`; `kernel` float32 [pieces, 2 x units] and `intercepts` float32
    [2 x units], of words first.
    """

    kind: Literal["pairs"] = "pairs"
    first: str
    second: str

    def margins(self, arrays: Mapping[str, Tensor], inputs: ExpertInputs) -> Tensor:
        first, second = inputs.raw[self.first], inputs.raw[self.second]
        width = arrays["intercepts"].shape[0]
        units = width // len(ANALYZERS)

        def margins_of(rows: Tensor) -> Tensor:
            texts = tf.gather(first, rows), tf.gather(second, rows)
            terms = self.terms(arrays["characters"], arrays["idf"], *texts)
            weights = tf.gather(arrays["table"], terms.row)
            values = terms.difference[:, None] * weights[:, :units]
            values += terms.product[:, None] * weights[:, units:]
            total = len(ANALYZERS) * tf.size(rows)
            sums = tf.math.unsorted_segment_sum(values, terms.segment, total)
            split = tf.gather(terms.numbers, arrays["source"], axis=1)
            pieces = (split - arrays["low"]) / (arrays["high"] - arrays["low"])
            curves = tf.matmul(tf.clip_by_value(pieces, 0.0, 1.0), arrays["kernel"])
            return tf.reshape(sums, [-1, width]) + curves + arrays["intercepts"]

        return in_pieces(margins_of, tf.range(tf.size(first)), (width,))

    def terms(self, characters: Tensor, idf: Tensor, first: Tensor, second: Tensor) -> Terms:
        """The n-grams of at most `PIECE` pairs of texts, [pairs] string each."""
        texts = tf.concat([first, second], 0)
        segments, rows, counts = self.counts(characters, texts)
        total = len(ANALYZERS) * tf.size(first)
        values = (1.0 + tf.math.log(tf.cast(counts, tf.float32))) * tf.gather(idf, rows)
        norms = tf.sqrt(tf.math.unsorted_segment_sum(tf.square(values), segments, 2 * total))
        values = tf.math.divide_no_nan(values, tf.gather(norms, segments))

        every = self.words + self.characters
        keys = segments % tf.maximum(total, 1) * every + rows
        keys, place = tf.unique(keys)
        entries, segment = tf.size(keys), keys // every
        of_first, zeros = segments < total, tf.zeros_like(values)
        a = tf.math.unsorted_segment_sum(tf.where(of_first, values, zeros), place, entries)
        b = tf.math.unsorted_segment_sum(tf.where(of_first, zeros, values), place, entries)

        def summed(of_entries: Tensor) -> Tensor:
            return tf.math.unsorted_segment_sum(tf.cast(of_entries, tf.float32), segment, total)

        in_a, in_b, in_both = summed(a > 0), summed(b > 0), summed((a > 0) & (b > 0))
        shares = [tf.math.divide_no_nan(in_both, n) for n in (in_a + in_b - in_both, in_a, in_b)]
        lengths = [in_a, in_b, in_a - in_b, in_a - in_both, in_b - in_both]
        numbers = tf.stack([summed(a * b), *shares, *lengths], axis=1)
        return Terms(
            segment=segment,
            row=keys % every,
            difference=tf.abs(a - b),
            product=a * b,
            numbers=tf.reshape(numbers, [-1, len(ANALYZERS) * NUMBERS]),
        )
