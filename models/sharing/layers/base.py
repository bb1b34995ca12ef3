"""Base class of the layers of sharing schemes. Importing this module imports Keras."""

from __future__ import annotations

from models.lazy import Tensor, keras


class SharingLayer(keras.layers.Layer):  # type: ignore[misc]
    """A layer of a scheme. A transfer mode does not adapt it, even if it is inside a trunk.

    private: whether only one task uses it.
    """

    private = False

    @property
    def undecayed(self) -> list[keras.Variable]:
        """Matrices that are excluded from weight decay."""
        return []

    def figures(self) -> dict[str, float]:
        """Values to report after an epoch, by name. `gate/<reader>/<source>` is the weight of the
        source in the reader's mixture.
        """
        return {}


def softmax(x: Tensor) -> Tensor:
    """Softmax along the last axis. Keras's own warns when this axis has size 1."""
    return keras.ops.exp(x - keras.ops.logsumexp(x, axis=-1, keepdims=True))
