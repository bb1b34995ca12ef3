"""The settings of TensorFlow that `models.lazy` makes."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

SHOW = "import models.lazy, os; print(os.environ.get('TF_ENABLE_ONEDNN_OPTS'))"
BY_DEFAULT = "1" if platform.machine() in ("x86_64", "AMD64") else "None"


@pytest.mark.parametrize(("chosen", "found"), [(None, BY_DEFAULT), ("0", "0"), ("1", "1")])
def test_onednn_kernels_unless_the_user_has_chosen(chosen: str | None, found: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    if chosen is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = chosen
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == found
