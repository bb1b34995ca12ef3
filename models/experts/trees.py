"""Gradient-boosted trees on columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from models.experts.base import Expert, ExpertInputs
from models.lazy import Tensor, tf

CELLS = 2**20
"""Rows times trees that are worked on at once, at about 30 bytes each."""


@dataclass(frozen=True, kw_only=True)
class Trees(Expert):
    """The sum of the leaves that a row reaches, of all trees of all outputs at once.

    QuickScorer (Lucchese et al. 2015, section 3): a tree is a mask with one bit a leaf, and every
    value of a feature clears the leaves that it rules out. Masks are made in advance for every
    interval between a feature's thresholds and for every category, so a row needs one look-up and
    one bitwise "and" a feature, whatever the depth. What is left is one bit.

    Leaves are float64 multiples of a power of two so large that their sums are exact: the order of
    summation, and so the batch, cannot change an answer.

    numbers: features whose raw number is read. categories: those whose id is.

    Arrays:
        thresholds: float32 [numbers, most], ascending, padded with infinity. A value lies in
            interval i if i thresholds are below it.
        starts, lasts: int32 [numbers + categories]. Codes of a feature lie from `starts` in `rows`;
            its last code stands for a missing number or any other category.
        rows: int32 [codes], rows of `masks`. masks: uint32 [rows, trees], with a bit a leaf.
        leaves: float64 [trees, leaves]. units: int32 [trees], the output that a tree belongs to.
        constants: float64 [units], what outputs begin with.
    """

    kind: Literal["trees"] = "trees"
    numbers: tuple[str, ...]
    categories: tuple[str, ...]

    def margins(self, arrays: Mapping[str, Tensor], inputs: ExpertInputs) -> Tensor:
        rows = self._rows(arrays, inputs)
        size = max(1, CELLS // max(1, arrays["masks"].shape[1]))
        batch = tf.shape(rows)[0]

        def add(start: Tensor, parts: tf.TensorArray) -> tuple[Tensor, tf.TensorArray]:
            part = _sums(arrays, rows[start : start + size])
            return start + size, parts.write(start // size, part)

        parts = tf.TensorArray(
            tf.float32,
            size=0,
            dynamic_size=True,
            infer_shape=False,
            element_shape=[None, arrays["constants"].shape[0]],
        )
        _, parts = tf.while_loop(
            lambda start, _: start < tf.maximum(batch, 1), add, (tf.constant(0), parts)
        )
        return parts.concat()

    def _rows(self, arrays: Mapping[str, Tensor], inputs: ExpertInputs) -> Tensor:
        """Int32 [batch, numbers + categories]: the row of masks for each value."""
        codes = [inputs.features[name] for name in self.categories]
        if self.numbers:
            values = tf.stack([inputs.raw[name] for name in self.numbers])
            interval = tf.searchsorted(arrays["thresholds"], values)
            interval = tf.where(tf.math.is_nan(values), tf.int32.max, interval)
            codes = [*tf.unstack(interval, len(self.numbers)), *codes]
        code = arrays["starts"] + tf.minimum(tf.stack(codes, 1), arrays["lasts"])
        return tf.gather(arrays["rows"], code)


def _sums(arrays: Mapping[str, Tensor], rows: Tensor) -> Tensor:
    """Float32 [batch, units] of int32 [batch, features]."""
    first, *others = tf.unstack(rows, axis=1)
    mask = tf.gather(arrays["masks"], first)
    for other in others:
        mask = tf.bitwise.bitwise_and(mask, tf.gather(arrays["masks"], other))
    leaf = tf.cast(tf.raw_ops.PopulationCount(x=mask - 1), tf.int32)
    trees, most = arrays["leaves"].shape
    value = tf.gather(tf.reshape(arrays["leaves"], [-1]), leaf + most * tf.range(trees))
    units = arrays["constants"].shape[0]
    total = tf.math.unsorted_segment_sum(tf.transpose(value), arrays["units"], units)
    return tf.cast(tf.transpose(total) + arrays["constants"], tf.float32)
