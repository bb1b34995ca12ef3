"""Tokenising in the graph, in training and in the served model alike."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

from models.inputs.layers.base import FeaturePreprocessing
from models.inputs.layers.byte_pairs import bound
from models.inputs.layers.cleaning import clean_text
from models.inputs.layers.text import longer_than
from models.inputs.tokens import TokensFeature
from models.lazy import load, tf


class Tokenizer(tf.Module):  # type: ignore[misc]
    """From text [batch] string to int32 [batch, …], as `TokensFeature` states."""

    def __init__(self, feature: TokensFeature) -> None:
        super().__init__("tokenizer")
        self.feature = feature
        cls = getattr(load("keras_hub").tokenizers, feature.tokenizer)
        # Tables are made here and not while a graph is traced, so that a SavedModel holds them.
        self.tokenizer = cls(**json.loads(feature.config), _allow_python_workflow=False)
        with tempfile.TemporaryDirectory() as directory:
            for file in feature.files:
                (Path(directory) / file.name).write_bytes(base64.b64decode(file.content))
            self.tokenizer.load_assets(directory)
        bound(self.tokenizer)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # type: ignore[untyped-decorator]
    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def __call__(self, text: tf.Tensor) -> tf.Tensor:
        """The tokens of each text between the special ones, cut and padded."""
        ids, _ = self.counting_cuts(text)  # which is traced once: that takes seconds
        return ids

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # type: ignore[untyped-decorator]
    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]
    def counting_cuts(self, text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The same, and the number of texts that are cut."""
        feature = self.feature
        special = [[] if i is None else [i] for i in (feature.start, feature.end)]
        room = feature.length - sum(map(len, special))
        tokens = tf.cast(self.tokenizer(text), tf.int32)
        windows = spread(tokens[:, : room * feature.windows], room, feature.windows)
        rows = windows.nrows()
        start, end = (
            tf.RaggedTensor.from_tensor(tf.tile(tf.constant([ids], tf.int32), [rows, 1]))
            for ids in special
        )
        packed = tf.concat([start, windows, end], axis=1)
        padded = packed.to_tensor(feature.pad, shape=(None, feature.length))
        needed = (windows.row_lengths() > 0) | (tf.range(rows) % feature.windows == 0)
        padded = tf.where(needed[:, None], padded, feature.pad)
        ids = tf.reshape(padded, [-1, *feature.shape])
        return ids, longer_than(room * feature.windows, tokens)


def spread(tokens: tf.RaggedTensor, room: int, windows: int) -> tf.RaggedTensor:
    """Tokens [batch, None] in consecutive windows, [batch * windows, None].

    A text takes as few windows of `room` tokens as hold it. They have the same number of tokens,
    except that the last may have fewer; those that it does not need are empty.
    """
    count = tokens.row_lengths()
    needed = tf.maximum((count + room - 1) // room, 1)
    size = (count + needed - 1) // needed
    sizes = count[:, None] - tf.range(windows, dtype=count.dtype) * size[:, None]
    sizes = tf.clip_by_value(sizes, 0, size[:, None])
    return tf.RaggedTensor.from_row_lengths(tokens.flat_values, tf.reshape(sizes, [-1]))


class TokensPreprocessing(FeaturePreprocessing[TokensFeature, Tokenizer]):
    """int32 [batch, …]: the ids of tokens."""

    def state(self, feature: TokensFeature) -> Tokenizer:
        return Tokenizer(feature)

    def apply(self, feature: TokensFeature, raw: tf.Tensor, state: Tokenizer) -> tf.Tensor:
        return state(clean_text(raw, feature.clean))

    def apply_counting_cuts(
        self, feature: TokensFeature, raw: tf.Tensor, state: Tokenizer
    ) -> tuple[tf.Tensor, tf.Tensor]:
        ids, cut = state.counting_cuts(clean_text(raw, feature.clean))
        return ids, cut
