"""What layers of sharing schemes have in common. Importing this module imports Keras."""

from __future__ import annotations

from models.lazy import keras


class SharingLayer(keras.layers.Layer):  # type: ignore[misc]
    """A layer of a scheme; inside a trunk, it is no part of what a transfer mode adapts.

    private: whether one task alone goes through it.
    """

    private = False

    @property
    def undecayed(self) -> list[keras.Variable]:
        """Its matrices that weight decay spares."""
        return []

    def figures(self) -> dict[str, float]:
        """What to report after an epoch, by name: `gate/<reader>/<source>`, how much the reader
        takes from the source.
        """
        return {}


def softmax(x: keras.KerasTensor) -> keras.KerasTensor:
    """Along the last axis, which may have size 1: Keras warns of that."""
    return keras.ops.exp(x - keras.ops.logsumexp(x, axis=-1, keepdims=True))
