"""The names of a user's inputs."""

from __future__ import annotations

import keras
import pytest

import rootstock as rs
from rootstock.own_trunk import functional_of


def test_inputs_have_names() -> None:
    a, b = keras.Input((2,), name="a"), keras.Input((3,), name="b")
    both = keras.layers.Concatenate()([a, b])
    assert list(functional_of(keras.Model({"a": a, "b": b}, both))[1]) == ["a", "b"]
    assert list(functional_of(keras.Model([a, b], both))[1]) == ["input_0", "input_1"]
    _, inputs = functional_of(keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]))
    assert inputs["input"].shape == (None, 4)
    with pytest.raises(rs.RootstockError, match="Received: Sequential"):
        functional_of(keras.Sequential([keras.layers.Dense(2)]))
