"""Distances between two distributions of a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def l_infinity(a: Mapping[str, int], b: Mapping[str, int]) -> tuple[float, str]:
    """The largest difference between a value's shares, and that value; 0 and "" without values.

    a, b: counts by value.
    """
    totals = max(sum(a.values()), 1), max(sum(b.values()), 1)
    differences = {v: abs(a.get(v, 0) / totals[0] - b.get(v, 0) / totals[1]) for v in {*a, *b}}
    if not differences:
        return 0.0, ""
    value = max(sorted(differences), key=lambda v: differences[v])
    return differences[value], value


def jensen_shannon(a: Sequence[float], b: Sequence[float]) -> float:
    """The Jensen-Shannon divergence of two distributions, in bits: from 0 to 1 (J. Lin, "Divergence
    measures based on the Shannon entropy", 1991, equation 4.1).

    a, b: quantiles at equal steps of rank. Values are taken to be uniform between two quantiles;
        equal quantiles hold the mass of their whole step.
    """
    edges = np.unique(np.concatenate([a, b]))
    p, q = _masses(np.asarray(a), edges), _masses(np.asarray(b), edges)
    middle = (p + q) / 2
    return max(float((_divergence(p, middle) + _divergence(q, middle)) / 2), 0.0)


def _masses(quantiles: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The probability of each edge and of each interval between edges; they add up to 1."""
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
    positive = p > 0
    return float(np.sum(p[positive] * np.log2(p[positive] / q[positive])))
