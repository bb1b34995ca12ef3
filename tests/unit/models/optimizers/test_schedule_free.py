"""Algorithm 1 of Defazio et al. 2024, in NumPy."""

from __future__ import annotations

import numpy as np

from models.lazy import keras
from models.optimizers.schedule_free import ScheduleFree, ScheduleFreeAverage

GRADIENTS = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)


def test_it_is_the_algorithm_of_the_paper() -> None:
    rate, decay, beta_1, beta_2, epsilon = 0.1, 0.5, 0.9, 0.999, 1e-8
    variable = keras.Variable(np.ones(3, np.float32))
    optimizer = ScheduleFree(learning_rate=rate, weight_decay=decay)
    optimizer.build([variable])
    average = ScheduleFreeAverage(optimizer)
    z = x = y = np.ones(3)
    v = np.zeros(3)
    for t, g in enumerate(GRADIENTS.astype(float), start=1):
        optimizer.apply([keras.ops.convert_to_tensor(g.astype(np.float32))], [variable])
        v = beta_2 * v + (1 - beta_2) * g**2
        z = z - rate * g / (np.sqrt(v / (1 - beta_2**t)) + epsilon) - rate * decay * y
        x = (1 - 1 / t) * x + z / t
        y = (1 - beta_1) * z + beta_1 * x
        np.testing.assert_allclose(variable, y, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(average.values()[0], x, rtol=1e-4, atol=1e-5)
