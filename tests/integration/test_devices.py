"""Training on two devices gives what one gives. tests/two_devices.py is the process that trains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_two_devices_train_what_one_trains(tmp_path: Path) -> None:
    """With missing labels, batch normalisation, clipping, an average of the weights, a last batch
    of one row a replica, checkpoints and validation.
    """
    command = [sys.executable, "-m", "tests.two_devices", str(tmp_path / "data")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for method, differences in json.loads(done.stdout).items():
        assert differences["weights"] < 1e-4, method
        assert differences["figures"] < 1e-3, method
