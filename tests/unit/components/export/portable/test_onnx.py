"""ONNX in ONNX Runtime against NumPy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.errors import RootstockError
from components.export.portable.onnx import Onnx
from tests.unit.components.export.portable.conftest import Sample

pytestmark = pytest.mark.skipif(
    bool(Onnx().missing), reason=f"not installed: {', '.join(Onnx().missing)} (the extra `onnx`)"
)


def test_it_answers_as_the_core_does(sample: Sample, tmp_path: Path) -> None:
    import onnx

    file = tmp_path / "model.onnx"
    Onnx().write(sample.core, sample.rows, file)
    answers = Onnx().load(file)(sample.rows)
    assert list(answers) == ["y.p"]
    np.testing.assert_allclose(answers["y.p"], sample.expected, atol=1e-6)
    graph = onnx.load(file).graph
    assert {i.type.tensor_type.shape.dim[0].dim_param for i in graph.input} == {"batch"}


def test_an_operation_that_onnx_lacks_is_named(sample: Sample, tmp_path: Path) -> None:
    import tensorflow as tf

    core = replace(
        sample.core, compute=lambda inputs: {"bits": tf.raw_ops.PopulationCount(x=inputs["pixels"])}
    )
    with pytest.raises(RootstockError, match=r"onnx: ONNX lacks operations.*PopulationCount"):
        Onnx().write(core, sample.rows, tmp_path / "model.onnx")
