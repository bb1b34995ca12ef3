"""Byte-pair merges of KerasHub's tokenizers, with bounded memory and time."""

from __future__ import annotations

from types import MethodType
from typing import Any

from models.lazy import load, tf

LONGEST, SHORT = 512, 32
"""Bytes of a word that are merged as one, and of words that are merged apart from longer ones."""
_MERGE_AND_KEEP = "_bpe_merge_and_update_cache_tf"


def bound(tokenizer: Any) -> None:
    """Let a byte-pair tokenizer merge each different word of a batch once, short words apart from
    long ones, and pieces of `LONGEST` bytes of words that are longer.

    KerasHub 0.32 merges all words of a batch in one dense tensor [words, bytes of the longest], one
    pair of each word at a time: 256 raw e-mails of up to 20,000 characters took more than 18 GB.
    Words of up to `LONGEST` bytes get the same tokens as before. CLIP's, which mark the ends of
    words, are left as they are.
    """
    base, own = load("keras_hub").tokenizers.BytePairTokenizer, type(tokenizer)
    name = _MERGE_AND_KEEP
    if issubclass(own, base) and getattr(own, name) is getattr(base, name):
        setattr(tokenizer, name, MethodType(_merge_and_keep, tokenizer))


def _merge_and_keep(self: Any, tokens: tf.Tensor) -> None:
    """Put the merged tokens of words [words] into the tokenizer's cache, separated by spaces."""
    words = tf.unique(tokens).y
    size = tf.strings.length(words)
    short = size <= SHORT
    for some in (tf.boolean_mask(words, short), tf.boolean_mask(words, ~short)):
        self.cache.insert(some, _merged(self, some))


def _merged(tokenizer: Any, words: tf.Tensor) -> tf.Tensor:
    """The merged tokens of words [words], separated by spaces."""
    counts = tf.maximum((tf.strings.length(words) + LONGEST - 1) // LONGEST, 1)
    starts = LONGEST * tf.ragged.range(counts)
    of = tf.gather(words, starts.value_rowids())
    pieces = tf.strings.substr(of, starts.flat_values, tf.fill(tf.shape(of), LONGEST))
    letters = tokenizer.byte2unicode.lookup(tf.strings.bytes_split(pieces))
    merged = tf.strings.reduce_join(tokenizer._bpe_merge_tf(letters), axis=1, separator=" ")
    return tf.strings.reduce_join(starts.with_flat_values(merged), axis=1, separator=" ")
