"""Where a text trunk has the output at each token, so that it can learn to predict tokens."""

from __future__ import annotations

from models.lazy import Tensor, keras


class TokenOutputs(keras.layers.Layer):  # type: ignore[misc]
    """Passes on the outputs at the tokens of a text, [batch, length, width].

    tied: whether the model that was pretrained predicts tokens with its embedding of them.
    """

    def __init__(self, tied: bool, name: str) -> None:
        super().__init__(name=name)
        self.tied = tied

    def call(self, outputs: Tensor, ids: Tensor) -> Tensor:
        """ids: int32 [batch, length], of which the outputs are computed."""
        return outputs


def token_outputs(trunk: keras.Model) -> TokenOutputs | None:
    """The layer of a trunk's first text; None if the trunk has no output at each token."""
    layers = (la for la in trunk.layers if isinstance(la, TokenOutputs))
    return next(layers, None)


def token_model(trunk: keras.Model) -> keras.Model:
    """The part of a trunk from int32 [batch, length] to [batch, length, width], with its layers.

    All texts that a trunk reads have the same encoder.
    """
    layer = token_outputs(trunk)
    assert layer is not None
    outputs, ids = layer.input
    return keras.Model(ids, outputs, name="tokens")
