"""Memory that was used and released counts; memory in use before does not."""

import sys

import numpy as np
import pytest

from components.experiments.peak_memory import PeakMemory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MIB = 2**17
"""float64 values."""


@pytest.mark.slow
def test_the_peak_is_relative_to_the_memory_in_use_before() -> None:
    kept = np.ones(64 * MIB)
    peak = PeakMemory()
    quiet = peak.mib()
    taken = np.ones(128 * MIB)
    del taken
    assert kept[0] == 1
    found = peak.mib()
    assert quiet is not None
    assert found is not None
    assert quiet < 32
    assert 120 < found < 180


def test_an_earlier_peak_does_not_count() -> None:
    taken = np.ones(128 * MIB)
    del taken
    found = PeakMemory().mib()
    assert found is not None
    assert found < 32
