"""Calibration: how far confidence is from the share of predictions that are correct."""

from __future__ import annotations

from dataclasses import dataclass

from components.data.lazy import Floats, Mask, np
from components.evaluation.metrics.arrays import divided

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Predictions of similar confidence. accuracy: the share that is correct (binary: positive)."""

    count: int
    confidence: float
    accuracy: float


def reliability(confidence: Floats, correct: Mask) -> tuple[Bin, ...]:
    """Equal-width bins of confidence, without the empty ones."""
    place = _places(confidence)
    return tuple(
        Bin(int(inside.sum()), float(confidence[inside].mean()), float(correct[inside].mean()))
        for b in range(BINS)
        if (inside := place == b).any()
    )


def calibration_error(confidence: Floats, correct: Mask, weights: Floats) -> Floats:
    """[k] expected calibration errors: Naeini, Cooper and Hauskrecht (AAAI 2015), section 3.

    confidence, correct: [rows]. weights: [k, rows].
    """
    gaps = np.zeros((len(confidence), BINS))
    gaps[np.arange(len(confidence)), _places(confidence)] = confidence - correct
    return divided(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))


def _places(confidence: Floats) -> np.ndarray:
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence, side="left")
