"""L2-penalised linear models of all tasks, of columns or of what a frozen trunk computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from models.experts.base import Expert, ExpertInputs
from models.lazy import Tensor, tf


@dataclass(frozen=True, kw_only=True)
class Linear(Expert):
    """Reads the representation, the blocks, or numbers and categories.

    numbers: preprocessed features, float32 [batch] or [batch, width]; NaN counts as 0.
    missing: those of them whose missing values are an input of their own; raw float32 [batch], NaN
        for missing.
    categories: preprocessed features, int32 [batch].

    Arrays. Numbers, the representation or the blocks are x [batch, n], one after another. A number
    is also split into pieces, as in piecewise-linear encoding (Gorishniy et al. 2022,
    arXiv:2203.05556, equation 1), which makes its effect a curve; unlike there, pieces end at the
    outermost values.

    mean, scale: float32 [n]: x is standardised by them.
    source: int32 [pieces]: which x is split. low, high: float32 [pieces]: ends of the piece.
    kernel: float32 [n + pieces + len(missing), units]. bias: float32 [units].
    table: float32 [ids of all categories, units]: a row of weights for every id; the last row of a
        category is for all larger ids. first, last: int32 [categories]: its rows.
    """

    portable: ClassVar[bool] = True
    kind: Literal["linear"] = "linear"
    representation: bool = False
    blocks: bool = False
    numbers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def reads_representation(self) -> bool:
        return self.representation

    @property
    def reads_blocks(self) -> bool:
        return self.blocks

    def margins(self, arrays: Mapping[str, Tensor], inputs: ExpertInputs) -> Tensor:
        result = arrays["bias"]
        values = [_columns(inputs.features[name]) for name in self.numbers]
        if self.representation:
            values.append(inputs.representation)
        if self.blocks:
            values.append(inputs.blocks)
        if values:
            x = tf.cast(tf.concat(values, axis=1), tf.float32)
            x = tf.where(tf.math.is_nan(x), tf.zeros_like(x), x)
            split = tf.gather(x, arrays["source"], axis=1)
            pieces = (split - arrays["low"]) / (arrays["high"] - arrays["low"])
            absent = [_columns(tf.math.is_nan(inputs.raw[name])) for name in self.missing]
            terms = [
                (x - arrays["mean"]) / arrays["scale"],
                tf.clip_by_value(pieces, 0.0, 1.0),
                *(tf.cast(a, tf.float32) for a in absent),
            ]
            result = result + tf.matmul(tf.concat(terms, axis=1), arrays["kernel"])
        if self.categories:
            ids = tf.stack([inputs.features[name] for name in self.categories], axis=1)
            rows = tf.minimum(arrays["first"] + tf.cast(ids, tf.int32), arrays["last"])
            result = result + tf.reduce_sum(tf.gather(arrays["table"], rows), axis=1)
        return result


def _columns(values: Tensor) -> Tensor:
    """[batch] as [batch, 1]."""
    return values[:, None] if len(values.shape) == 1 else values
