"""Experts with their numbers: saved, read, and one after another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from models.experts.base import Expert, ExpertInputs
from models.experts.layers.panel import Panel, read_panel, save_arrays
from models.lazy import Tensor, tf


@dataclass(frozen=True, kw_only=True)
class Scaled(Expert):
    """A number times a factor."""

    kind: Literal["scaled"] = "scaled"
    reads: str

    def margins(self, arrays: Mapping[str, Tensor], inputs: ExpertInputs) -> Tensor:
        return inputs.raw[self.reads][:, None] * arrays["factors"][None]


EXPERTS = (Scaled(name="one", reads="x"), Scaled(name="two.of.y", reads="y"))
ARRAYS = {
    "one": {"factors": np.array([1.0, 2.0], np.float32)},
    "two.of.y": {"factors": np.array([3.0, 4.0], np.float32)},
}
RAW = {"x": np.array([1.0, 10.0], np.float32), "y": np.array([2.0, 20.0], np.float32)}


def test_margins_of_one_expert_follow_those_of_another(tmp_path: Path) -> None:
    expected = [[1, 2, 6, 8], [10, 20, 60, 80]]
    save_arrays(ARRAYS, tmp_path)
    read = read_panel(tmp_path, EXPERTS)
    assert read is not None
    for panel in (Panel(EXPERTS, ARRAYS), read):
        assert not panel.reads_representation
        assert len(panel.variables) == 2
        margins = panel(ExpertInputs({n: tf.constant(v) for n, v in RAW.items()}, {}))
        np.testing.assert_array_equal(margins.numpy(), expected)


def test_a_model_without_experts_has_no_file(tmp_path: Path) -> None:
    assert read_panel(tmp_path, ()) is None
