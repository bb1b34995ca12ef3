"""Words of texts, looked up in a vocabulary."""

from __future__ import annotations

from models.inputs.layers.base import FIRST, PADDING, UNKNOWN, FeaturePreprocessing
from models.inputs.layers.cleaning import clean_text
from models.inputs.text import TextFeature
from models.lazy import tf


class TextPreprocessing(FeaturePreprocessing[TextFeature, tf.lookup.StaticHashTable]):
    """int32 [batch, length]: the ids of words, cut and padded."""

    def state(self, feature: TextFeature) -> tf.lookup.StaticHashTable:
        words = tf.constant(feature.vocabulary, tf.string)
        ids = tf.range(FIRST, FIRST + len(feature.vocabulary))
        pairs = tf.lookup.KeyValueTensorInitializer(words, ids)
        return tf.lookup.StaticHashTable(pairs, default_value=UNKNOWN)

    def apply(
        self, feature: TextFeature, raw: tf.Tensor, state: tf.lookup.StaticHashTable
    ) -> tf.Tensor:
        return self.apply_counting_cuts(feature, raw, state)[0]

    def apply_counting_cuts(
        self, feature: TextFeature, raw: tf.Tensor, state: tf.lookup.StaticHashTable
    ) -> tuple[tf.Tensor, tf.Tensor]:
        words = split_words(clean_text(raw, feature.clean))
        ids = words.with_flat_values(state.lookup(words.flat_values))
        shape = (None, feature.length)
        padded = tf.ensure_shape(ids.to_tensor(PADDING, shape=shape), shape)
        return padded, longer_than(feature.length, ids)


def longer_than(length: int, sequences: tf.RaggedTensor) -> tf.Tensor:
    """The number of sequences [batch, None] that are longer: int32 scalar."""
    return tf.math.count_nonzero(sequences.row_lengths() > length, dtype=tf.int32)


def split_words(text: tf.Tensor) -> tf.RaggedTensor:
    """Words of [batch] UTF-8 text: lower-case, without apostrophes, split at ASCII punctuation."""
    lower = tf.strings.lower(text, encoding="utf-8")
    joined = tf.strings.regex_replace(lower, r"['’]", "")  # noqa: RUF001
    return tf.strings.split(tf.strings.regex_replace(joined, r"[!-/:-@\[-`{-~]+", " "))
