"""Predicts tokens from the outputs of a trunk."""

from __future__ import annotations

from models.lazy import Tensor, keras, load


class LanguageHead(keras.layers.Layer):  # type: ignore[misc]
    """Logits of the vocabulary, at some of the tokens of a batch.

    embedding: of the trunk, whose weights are also those that predict. transforms: whether a dense
    layer and a normalisation come first, as in BERT, and a bias of each token is added. A decoder
    has been pretrained without.
    """

    def __init__(self, embedding: keras.layers.ReversibleEmbedding, transforms: bool) -> None:
        super().__init__(name="language_head")
        self.embedding = embedding
        self.transform = None
        if transforms:
            layer = load("keras_hub").layers.MaskedLMHead
            self.transform = layer(token_embedding=embedding, intermediate_activation="gelu")

    def start_at(self, frequencies: Tensor) -> None:
        """Let a new head, once built, begin with what it would learn first: how frequent each token
        is. frequencies: float32 [tokens], above 0; fewer than the vocabulary if ids are unused.
        """
        if self.transform is not None:
            ops, bias = keras.ops, self.transform._bias
            unused = ops.full((bias.shape[0] - frequencies.shape[0],), ops.min(frequencies))
            bias.assign(ops.log(ops.concatenate([frequencies, unused])))

    def call(self, outputs: Tensor, positions: Tensor) -> Tensor:
        """float32 [predicted, vocabulary].

        outputs: [batch, length, width]. positions: int32 [predicted], in batch * length.
        """
        ops = keras.ops
        rows = ops.reshape(outputs, (1, -1, outputs.shape[-1]))
        if self.transform is not None:
            logits = self.transform(rows, positions[None])[0]
        else:
            logits = self.embedding(ops.take(rows[0], positions, axis=0), reverse=True)
        return ops.cast(logits, "float32")


def token_losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """Cross-entropy float32 [predicted]. tokens: int32 [predicted], those to predict."""
    losses = keras.ops.sparse_categorical_crossentropy(tokens, logits, from_logits=True)
    return keras.ops.cast(losses, "float32")


def embedding_of(trunk: keras.Model, tokens: int) -> keras.layers.ReversibleEmbedding | None:
    """The layer that embeds tokens with ids below `tokens`; None if there is none that can also
    predict them.
    """
    for layer in trunk._flatten_layers():
        if isinstance(layer, keras.layers.ReversibleEmbedding) and layer.input_dim >= tokens:
            return layer
    return None
