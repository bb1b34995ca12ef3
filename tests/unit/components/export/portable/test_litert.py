"""LiteRT in float32 against NumPy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.errors import RootstockError
from components.export.portable.litert import LiteRT
from tests.unit.components.export.portable.conftest import Sample


def test_it_answers_as_the_core_does(sample: Sample, tmp_path: Path) -> None:
    file = tmp_path / "model.tflite"
    LiteRT().write(sample.core, sample.rows, file)
    answers = LiteRT().load(file)(sample.rows)
    assert list(answers) == ["y.p"]
    np.testing.assert_allclose(answers["y.p"], sample.expected, atol=1e-6)


def test_an_operation_that_litert_lacks_is_named(sample: Sample, tmp_path: Path) -> None:
    import tensorflow as tf

    core = replace(
        sample.core, compute=lambda inputs: {"bits": tf.raw_ops.PopulationCount(x=inputs["pixels"])}
    )
    with pytest.raises(RootstockError, match=r"litert: LiteRT lacks operations.*PopulationCount"):
        LiteRT().write(core, sample.rows, tmp_path / "model.tflite")
