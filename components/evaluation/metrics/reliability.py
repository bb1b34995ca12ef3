"""How far stated confidence is from the share of answers that are right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.data.arrow import np
from components.evaluation.metrics.ranking import divided

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BINS = 15


@dataclass(frozen=True)
class Bin:
    """Predictions of like confidence. accuracy: their share that is right (binary: positive)."""

    count: int
    confidence: float
    accuracy: float


def reliability(confidence: Floats, right: NDArray[np.bool_]) -> tuple[Bin, ...]:
    """Equal-width bins of confidence, empty ones left out."""
    place = _places(confidence)
    return tuple(
        Bin(
            int(inside.sum()),
            float(confidence[inside].mean()),
            float(right[inside].mean()),
        )
        for b in range(BINS)
        if (inside := place == b).any()
    )


def calibration_error(confidence: Floats, right: NDArray[np.bool_], weights: Floats) -> Floats:
    """[k] expected calibration errors: Naeini, Cooper and Hauskrecht (AAAI 2015), section 3.

    confidence, right: [rows]. weights: [k, rows].
    """
    inside = (_places(confidence)[:, None] == np.arange(BINS)).astype(np.float64)
    gap = weights @ (inside * (confidence - right)[:, None])
    return divided(np.abs(gap).sum(axis=1), weights.sum(axis=1))


def _places(confidence: Floats) -> NDArray[np.intp]:
    return np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence, side="left")
