"""Pooling by a learned query: Yang et al. 2016, NAACL N16-1174, section 2.2, without projection."""

from __future__ import annotations

from models.lazy import Tensor, keras


class AttentionPooling(keras.layers.Layer):  # type: ignore[misc]
    """From [batch, positions, width] to [batch, width]: the mean, weighted by the softmax of the
    products with a query. The query starts at zero, where all weights are equal.

    Its weight is new, not pretrained: see `new_variables`.
    """

    def build(self, x_shape: tuple[int | None, ...], present_shape: tuple[int | None, ...]) -> None:
        self.query = self.add_weight((x_shape[-1],), "zeros", name="query")

    def call(self, x: Tensor, present: Tensor) -> Tensor:
        """present: int32 [batch, positions], 1 for the positions that count. Without any: 0."""
        ops = keras.ops
        counts = ops.cast(present, x.dtype)
        scores = ops.matmul(x, self.query) / float(x.shape[-1]) ** 0.5
        scores = ops.where(ops.equal(present, 1), scores, ops.cast(_ABSENT, x.dtype))
        weights = ops.softmax(scores, axis=-1) * counts
        return ops.sum(x * ops.expand_dims(weights, -1), axis=1)

    def compute_output_shape(
        self, x_shape: tuple[int | None, ...], present_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return (x_shape[0], x_shape[-1])


_ABSENT = -1e4
"""The score of positions that do not count, after which they are masked; float16 can hold it."""


def new_variables(trunk: keras.Model) -> tuple[keras.Variable, ...]:
    """The variables of a pretrained trunk that were not pretrained: they train at the rate of the
    heads in every transfer mode in which the trunk trains.
    """
    pooling = [la for la in trunk._flatten_layers() if isinstance(la, AttentionPooling)]
    return tuple(v for layer in pooling for v in layer.weights)
