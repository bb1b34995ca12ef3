from __future__ import annotations

import numpy as np
import pytest

from models.lazy import keras
from models.optimizers.fused_adam import FusedAdam


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_its_updates_are_those_of_keras(name: str, amsgrad: bool) -> None:
    base = getattr(keras.optimizers, name)
    fused = type(name, (FusedAdam, base), {})
    weights = []
    for optimizer_type in (base, fused):
        rng = np.random.default_rng(0)
        variable = keras.Variable(rng.normal(size=(3, 4)).astype("float32"))
        optimizer = optimizer_type(learning_rate=0.01, amsgrad=amsgrad, clipnorm=1.0)
        steps = []
        for _ in range(5):
            optimizer.apply([keras.ops.array(rng.normal(size=(3, 4)), "float32")], [variable])
            steps.append(np.array(variable))
        weights.append(np.diff(steps, axis=0))
    np.testing.assert_allclose(weights[1], weights[0], rtol=1e-4, atol=1e-7)
