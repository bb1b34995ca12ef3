"""A mean with learned weights: exact masks, and it trains in every mode that trains the trunk."""

from __future__ import annotations

import numpy as np
import pytest

from models.lazy import keras
from models.transfer.base import Transfer
from models.transfer.bias_only import BiasOnly
from models.transfer.linear_then_fine_tune import LinearThenFineTune
from models.transfer.lora import Lora
from models.trunks.layers.attention_pooling import AttentionPooling, new_variables

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 6)).astype("float32")
PRESENT = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]], "int32")


def test_it_is_a_weighted_mean_of_what_is_present() -> None:
    layer = AttentionPooling()
    start = np.asarray(layer(X, PRESENT))
    np.testing.assert_allclose(start[:2], [X[0].mean(0), X[1, :2].mean(0)], atol=1e-6)
    assert not start[2].any()
    query = RNG.normal(size=6).astype("float32")
    layer.query.assign(query)
    scores = np.exp(X @ query / np.sqrt(6)) * PRESENT
    weights = scores[:2] / scores[:2].sum(1, keepdims=True)
    expected = np.einsum("bp,bpw->bw", weights, X[:2])
    np.testing.assert_allclose(layer(X, PRESENT)[:2], expected, atol=1e-6)
    other = X.copy()
    other[1, 2:] = 1e3
    np.testing.assert_array_equal(layer(other, PRESENT)[1], layer(X, PRESENT)[1])


def trunk() -> keras.Model:
    x, present = keras.Input((4, 6)), keras.Input((4,), dtype="int32")
    h = keras.layers.Dense(6, name="stage0.dense")(x)
    return keras.Model([x, present], AttentionPooling(name="pooling.attention")(h, present))


@pytest.mark.parametrize("mode", [Lora(), BiasOnly(), LinearThenFineTune()])
def test_its_query_trains_in_all_phases_at_the_rate_of_the_heads(mode: Transfer) -> None:
    from models.multitask.planning import with_new

    model = trunk()
    (query,) = new_variables(model)
    plan = with_new(mode.plan(model), new_variables(model))
    for phase in plan.phases:
        assert sum(v is query for v in phase.variables) == 1
    assert id(query) not in plan.rates
    assert plan.rates
