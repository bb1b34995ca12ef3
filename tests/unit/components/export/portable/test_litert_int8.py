"""LiteRT in 8-bit integers against NumPy."""

from pathlib import Path

import numpy as np

from components.export.portable.litert_int8 import LiteRTInt8
from tests.unit.components.export.portable.conftest import Sample


def test_it_answers_as_the_core_does(sample: Sample, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    LiteRTInt8().write(sample.core, sample.rows, file)
    answers = LiteRTInt8().load(file)(sample.rows)
    assert list(answers) == ["y.p"]
    np.testing.assert_allclose(answers["y.p"], sample.expected, atol=0.03)
