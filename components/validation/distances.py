"""How far two distributions of a column are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def l_infinity(a: Mapping[str, int], b: Mapping[str, int]) -> tuple[float, str]:
    """The largest difference between the shares of a value, and that value; 0 and "" for none.

    a, b: counts by value.
    """
    totals = max(sum(a.values()), 1), max(sum(b.values()), 1)
    apart = {v: abs(a.get(v, 0) / totals[0] - b.get(v, 0) / totals[1]) for v in {*a, *b}}
    if not apart:
        return 0.0, ""
    value = max(sorted(apart), key=lambda v: apart[v])
    return apart[value], value


def jensen_shannon(a: Sequence[float], b: Sequence[float]) -> float:
    """The Jensen-Shannon divergence of two distributions, in bits: from 0 to 1 (J. Lin, "Divergence
    measures based on the Shannon entropy", 1991, equation 4.1).

    a, b: quantiles at equal steps of rank, between which values are taken for evenly spread; equal
        ones hold their whole step.
    """
    edges = np.unique(np.concatenate([a, b]))
    p, q = _masses(np.asarray(a), edges), _masses(np.asarray(b), edges)
    middle = (p + q) / 2
    return max(float((_divergence(p, middle) + _divergence(q, middle)) / 2), 0.0)


def _masses(quantiles: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The share of each edge and of each interval between edges; together 1."""
    values, first, counts = np.unique(quantiles, return_index=True, return_counts=True)
    steps = max(len(quantiles) - 1, 1)
    below, upto = first / steps, (first + counts - 1) / steps
    if len(quantiles) == 1:
        upto = np.ones(1)
    # the distribution function rises from `upto` of one value to `below` of the next
    place = np.searchsorted(values, edges, side="right") - 1
    known = np.isin(edges, values)
    inside = (edges > values[0]) & (edges < values[-1]) & ~known
    left, right = np.where(edges < values[0], 0.0, 1.0), np.where(edges < values[0], 0.0, 1.0)
    at = place[inside]
    share = (edges[inside] - values[at]) / (values[at + 1] - values[at])
    left[inside] = right[inside] = upto[at] + share * (below[at + 1] - upto[at])
    left[known], right[known] = below[place[known]], upto[place[known]]
    return np.concatenate([right - left, left[1:] - right[:-1]])


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))
