"""Functions of arrays that metrics share."""

from __future__ import annotations

from components.data.lazy import Floats, np


def divided(numerator: Floats, denominator: Floats) -> Floats:
    """The quotients; NaN where the denominator is 0."""
    quotients = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=quotients, where=np.asarray(denominator) != 0)
    return quotients


def clipped(p: Floats) -> Floats:
    """Probabilities with a finite logarithm: float32's epsilon away from 0 and 1."""
    margin = np.finfo(np.float32).eps
    return np.clip(p, margin, 1 - margin)


def mean_of_defined(values: Floats) -> Floats:
    """[k] means over the last axis, without NaN; NaN where all are NaN."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=-1)
    total = np.where(defined, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
