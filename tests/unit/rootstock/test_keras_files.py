"""What is read from a `.keras` file answers as what was saved."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

import rootstock as rs

X = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")


@pytest.mark.parametrize("sharing", ["soft", "cross_stitch"])
def test_schemes_with_several_trunks_are_saved(sharing: str, tmp_path: Path) -> None:
    trunk = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu", name="layer")])
    tasks = {"sign": "binary", "third": 3}
    model = rs.keras.MultitaskModel(trunk, tasks, sharing=sharing).to_keras()
    model.save(tmp_path / "a.keras")
    again, answers = rs.keras.load(tmp_path / "a.keras")(X), model(X)
    for task, expected in answers.items():
        np.testing.assert_array_equal(again[task], expected)
