"""LiteRT with 8-bit weights against NumPy."""

from pathlib import Path

import numpy as np

from components.export.portable.litert_dynamic import LiteRTDynamic
from tests.unit.components.export.portable.conftest import Sample


def test_it_answers_as_the_core_does(sample: Sample, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    LiteRTDynamic().write(sample.core, sample.rows, file)
    answers = LiteRTDynamic().load(file)(sample.rows)
    assert list(answers) == ["y.p"]
    np.testing.assert_allclose(answers["y.p"], sample.expected, atol=0.02)
