"""The last lines of a search."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.auto.closing import experts_alone


@pytest.mark.parametrize(
    ("last_word", "lines"),
    [
        ({}, []),
        ({"y": {"network": 0.1, "trees": 0.9}}, []),
        ({"y": {"network": 0.0, "trees": 1.0}, "z": {"network": 0.2, "trees": 0.8}}, []),
        (
            {"y": {"network": 0.0, "trees": 0.75, "linear": 0.25, "pairs": 0.0}},
            ["Classical models alone are served, without a network: y 0.75 trees + 0.25 linear."],
        ),
    ],
)
def test_it_is_said_when_classical_models_alone_are_served(
    last_word: dict[str, dict[str, float]], lines: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "history.json"
    file.write_text(json.dumps({"epochs": [], **({"last_word": last_word} if last_word else {})}))
    assert list(experts_alone(file)) == lines
