"""Encoding of numeric columns: piecewise-linear, and by bins. Importing this imports Keras."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.lazy import Tensor, keras

BEYOND = 1e30
"""Where knots that a column lacks lie: beyond all numbers."""
BORDER = 0.499
"""Where numbers are nearer to the next knot, as a share of the way there. Evenly spaced numbers,
such as ages, lie on 0.5, where rounding errors would decide."""


class NumberEncoding(keras.layers.Layer):  # type: ignore[misc]
    """Each number and two embeddings of it: float32 [batch, columns] to
    [batch, columns * (1 + 2 * width)].

    - The number, which continues beyond the last knot; 0 for NaN, which is a missing number.
    - A dense layer with ReLU on its piecewise-linear encoding (Gorishniy et al. 2022,
      arXiv:2203.05556, section 3.2): component t is 0 below bin t, 1 above it, and rises linearly
      inside. Unlike there, the first and last bins end too, so an outlier is no further away than
      the smallest or largest number in training.
    - A learned vector of the nearest knot, as if the number were a category; another one for NaN.

    knots: ascending ends of the bins, at least two per column.
    """

    def __init__(self, knots: Sequence[Sequence[float]], width: int, **kwargs) -> None:  # type: ignore[no-untyped-def]
        super().__init__(dtype="float32", **kwargs)
        self.width = width
        num_bins = max(map(len, knots)) - 1
        self._starts = np.full((len(knots), num_bins), BEYOND, np.float32)
        self._widths = np.ones((len(knots), num_bins), np.float32)
        self._borders = np.full((len(knots), num_bins), BEYOND, np.float32)
        for i, each in enumerate(knots):
            ends = np.array(each, np.float32)
            used = slice(len(ends) - 1)
            self._starts[i, used], self._widths[i, used] = ends[:-1], np.diff(ends)
            self._borders[i, used] = ends[:-1] + np.diff(ends) * BORDER
        sizes = [len(each) + 1 for each in knots]
        self._offsets = np.cumsum([0, *sizes[:-1]]).astype(np.int32)
        self._num_ids = sum(sizes)

    def build(self, shape: tuple[int | None, ...]) -> None:
        columns, bins = self._starts.shape
        spread = keras.initializers.RandomNormal(stddev=bins**-0.5)
        near = keras.initializers.RandomNormal(stddev=0.1)
        self.kernel = self.add_weight((columns, bins, self.width), spread, name="kernel")
        self.bias = self.add_weight((columns, self.width), "zeros", name="bias")
        self.embeddings = self.add_weight((self._num_ids, self.width), near, name="embeddings")

    def call(self, x: Tensor) -> Tensor:
        ops = keras.ops
        missing = ops.isnan(x)
        numbers = ops.where(missing, ops.zeros_like(x), x)[:, :, None]
        parts = ops.clip((numbers - self._starts) / self._widths, 0.0, 1.0)
        parts = ops.where(missing[:, :, None], ops.zeros_like(parts), parts)
        linear = ops.relu(ops.einsum("bct,ctw->bcw", parts, self.kernel) + self.bias)
        nearest = 1 + ops.sum(ops.cast(numbers >= self._borders, "int32"), axis=-1)
        ids = ops.where(missing, ops.zeros_like(nearest), nearest) + self._offsets
        vectors = ops.take(self.embeddings, ids, axis=0)
        encoded = ops.concatenate([numbers, linear, vectors], axis=-1)
        return ops.reshape(encoded, (-1, encoded.shape[1] * encoded.shape[2]))
