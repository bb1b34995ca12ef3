"""Byte-pair merges of KerasHub's tokenizers, with bounded memory and time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any

from models.lazy import load, tf

LONGEST, SHORT = 512, 32
"""Bytes of a word that are merged as one, and of words that are merged apart from longer ones."""
KEPT = 500_000
"""Short words whose tokens are kept in memory, some 100 bytes each; longer words are never kept."""
_MERGE_AND_KEEP = "_bpe_merge_and_update_cache_tf"


def bound(tokenizer: Any) -> None:
    """Let a byte-pair tokenizer merge each different word of a batch once, short words apart from
    long ones, and pieces of `LONGEST` bytes of words that are longer; and keep the tokens of `KEPT`
    words at most.

    KerasHub 0.32 merges all words of a batch in one dense tensor [words, bytes of the longest], one
    pair of each word at a time: 256 raw e-mails of up to 20,000 characters took more than 18 GB. It
    keeps the tokens of every word, so that a server grows with every new one. Words of up to
    `LONGEST` bytes get the same tokens as before. CLIP's, which mark the ends of words, are left as
    they are.
    """
    base, own = load("keras_hub").tokenizers.BytePairTokenizer, type(tokenizer)
    if issubclass(own, base) and getattr(own, _MERGE_AND_KEEP) is getattr(base, _MERGE_AND_KEEP):
        tokenizer._maybe_initialized_tf()
        cache, known = tokenizer.cache, tokenizer.cache.lookup
        words = tf.TensorSpec([None], tf.string)  # traced once: a graph calls it several times
        merged = tf.function(partial(_merged, tokenizer), input_signature=[words], autograph=False)

        def lookup(_: Any, words: tf.Tensor) -> tf.Tensor:
            return _tokens(cache, merged, words, known(words))

        cache.lookup = MethodType(lookup, cache)
        # nothing is left for it to do: what is looked up is there
        setattr(tokenizer, _MERGE_AND_KEEP, MethodType(lambda self, words: None, tokenizer))


def _tokens(
    cache: Any, merged: Callable[[tf.Tensor], tf.Tensor], words: tf.Tensor, known: tf.Tensor
) -> tf.Tensor:
    """The merged tokens of words [words], separated by spaces. known: those kept, else empty."""
    missing = (known == "") & (words != "")

    def merge() -> tf.Tensor:
        some, of = tf.unique(tf.boolean_mask(words, missing))
        short = tf.strings.length(some) <= SHORT
        few, many = tf.boolean_mask(some, short), tf.boolean_mask(some, ~short)
        kept = merged(few)
        room = tf.maximum(KEPT - cache.id2value.size(), 0)
        cache.insert(few[:room], kept[:room])
        order = tf.concat([tf.where(short), tf.where(~short)], axis=0)
        tokens = tf.concat([kept, merged(many)], axis=0)
        tokens = tf.scatter_nd(order, tokens, tf.shape(some, tf.int64))
        return tf.tensor_scatter_nd_update(known, tf.where(missing), tf.gather(tokens, of))

    return tf.cond(tf.reduce_any(missing), merge, lambda: known)


def _merged(tokenizer: Any, words: tf.Tensor) -> tf.Tensor:
    """The merged tokens of words [words], separated by spaces."""
    counts = tf.maximum((tf.strings.length(words) + LONGEST - 1) // LONGEST, 1)
    starts = LONGEST * tf.ragged.range(counts)
    of = tf.gather(words, starts.value_rowids())
    pieces = tf.strings.substr(of, starts.flat_values, tf.fill(tf.shape(of), LONGEST))
    letters = tokenizer.byte2unicode.lookup(tf.strings.bytes_split(pieces))
    merged = tf.strings.reduce_join(tokenizer._bpe_merge_tf(letters), axis=1, separator=" ")
    return tf.strings.reduce_join(starts.with_flat_values(merged), axis=1, separator=" ")
