"""The parts of models that are written in Keras compute the same on JAX as on TensorFlow.

Balancing methods and sharing schemes are found by discovery: a new one that uses TensorFlow by name
fails here. docs/how-to/gpu.md lists what needs TensorFlow.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests.keras_on_jax import DRAWN, numbers

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed"),
]


def test_jax_computes_what_tensorflow_computes() -> None:
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
    }
    command = [sys.executable, "-m", "tests.keras_on_jax"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    on_jax, expected = json.loads(done.stdout), numbers()
    assert on_jax.keys() == expected.keys()
    for name, values in expected.items():
        assert np.all(np.isfinite(on_jax[name])), name
        if name.rpartition(" ")[2] not in DRAWN:
            np.testing.assert_allclose(on_jax[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
