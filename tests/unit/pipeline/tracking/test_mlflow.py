from pathlib import Path

import pytest

from pipeline.tracking.events import Output
from pipeline.tracking.mlflow import _is_served


@pytest.mark.parametrize(
    ("kind", "exported", "expected"),
    [
        ("ExportedModel", True, True),
        ("TrainedModel", False, False),
        ("TrainedModel", True, True),  # from a Trainer of an older version
        ("Examples", False, False),
    ],
)
def test_models_with_a_saved_model_are_registered(
    kind: str, exported: bool, expected: bool, tmp_path: Path
) -> None:
    if exported:
        (tmp_path / "saved_model").mkdir()
    assert _is_served(Output(kind, str(tmp_path), "digest")) is expected
