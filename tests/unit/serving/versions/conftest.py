"""A small directory that stands in for a SavedModel."""

from pathlib import Path

import pytest


@pytest.fixture
def saved_model(tmp_path: Path) -> Path:
    path = tmp_path / "saved_model"
    (path / "variables").mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"graph")
    (path / "variables" / "variables.index").write_bytes(b"weights")
    return path
