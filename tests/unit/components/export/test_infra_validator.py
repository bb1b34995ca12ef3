"""InfraValidator: real SavedModels in a real server, good ones and bad ones."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.artifacts import ExportedModel
from components.errors import RootstockError
from components.export.expected_outputs import write_expected
from components.export.infra_validator import InfraValidator, InfraValidatorInputs, ServingLimits
from components.stage import Context, Silent
from serving.signatures import SignatureInput, export

pytestmark = pytest.mark.slow

IMAGES = np.array([b"\xff\xd8", b"abc", b"", b"\x00"] * 5, object)
AGES = np.linspace(-3, 40, 20, dtype=np.float32)
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tensorflow as tf

    path = tmp_path_factory.mktemp("trained")
    owner = tf.Module()
    owner.scale = tf.Variable([1.0, 2.0])

    def answer(raw: dict[str, Any]) -> dict[str, Any]:
        length = tf.cast(tf.strings.length(raw["image"]), tf.float32)
        return {
            "wide": tf.sigmoid((raw["age"] + length)[:, None] * owner.scale),
            "log": tf.math.log(raw["age"] + 4.0)[:, None],
        }

    inputs = [SignatureInput("image", "string"), SignatureInput("age", "float32")]
    export(answer, owner, inputs, ["wide", "log"], path / "saved_model")
    outputs = answer({"image": tf.constant(list(IMAGES)), "age": tf.constant(AGES)})
    write_expected(
        path / "expected.parquet",
        {"image": IMAGES, "age": AGES},
        {name: value.numpy() for name, value in outputs.items()},
    )
    return path


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Returns the verdict, with the figures."""

    def validate(model: Path, stage: InfraValidator | None = None) -> dict[str, Any]:
        output = tmp_path / "output"
        output.mkdir()
        (tmp_path / "scratch").mkdir()
        figures: dict[str, Any] = {}
        observer = Silent()
        monkeypatch.setattr(observer, "figure", figures.__setitem__, raising=False)
        context = Context(output, tmp_path / "scratch", observer=observer)
        stage = stage or InfraValidator()
        outputs = stage.run(InfraValidatorInputs(ExportedModel(model, "d")), context)
        assert outputs.blessing.path == output / "blessing"
        verdict: dict[str, Any] = json.loads((output / "blessing" / "blessing.json").read_text())
        assert outputs.blessing.blessed() == verdict["blessed"]
        assert outputs.blessing.reasons() == verdict["reasons"]
        assert verdict.keys() == {"judge", "blessed", "reasons"}  # nothing that varies
        return {**verdict, **figures}

    return validate


def changed(trained: Path, tmp_path: Path, **outputs: np.ndarray) -> Path:
    """The model beside other expectations."""
    from components.export.expected_outputs import read_expected

    shutil.copytree(trained, tmp_path / "model")
    raw, expected = read_expected(trained / "expected.parquet")
    write_expected(tmp_path / "model" / "expected.parquet", raw, {**expected, **outputs})
    return tmp_path / "model"


def test_a_model_that_answers_as_keras_does_is_blessed(
    run: Run, trained: Path, tmp_path: Path
) -> None:
    """Only the requested number of examples is compared."""
    from components.export.expected_outputs import read_expected

    wide = read_expected(trained / "expected.parquet")[1]["wide"].copy()
    wide[7, 1] += 1e-3
    verdict = run(changed(trained, tmp_path, wide=wide), InfraValidator(examples=7))
    assert verdict["blessed"], verdict["reasons"]
    assert verdict["reasons"] == []
    assert verdict["max_difference"] <= 1e-5
    assert 0 < verdict["load_s"] < 60
    assert 0 < verdict["grpc_ms"] < 1000
    assert 0 < verdict["rest_ms"] < 1000


def test_one_wrong_prediction_is_found_over_every_protocol(
    run: Run, trained: Path, tmp_path: Path
) -> None:
    from components.export.expected_outputs import read_expected

    wide = read_expected(trained / "expected.parquet")[1]["wide"].copy()
    wide[7, 1] += 1e-3
    verdict = run(changed(trained, tmp_path, wide=wide))
    assert not verdict["blessed"]
    assert verdict["max_difference"] == pytest.approx(1e-3, rel=0.01)
    assert len(verdict["reasons"]) == 4  # REST and gRPC, all tasks and its own signature
    for reason in verdict["reasons"]:
        assert "task 'wide': answers differ from Keras by up to 0.001" in reason


def test_other_tasks_and_shapes_are_not_blessed(run: Run, trained: Path, tmp_path: Path) -> None:
    verdict = run(changed(trained, tmp_path, log=np.zeros((20, 3)), third=np.zeros((20, 1))))
    text = "\n".join(verdict["reasons"])
    assert "answers ['log', 'wide']; expected ['log', 'third', 'wide']" in text
    assert "have shape [16, 1]; in Keras [16, 3]" in text
    assert "no signature 'third'" in text


def test_non_finite_predictions_are_not_blessed(run: Run, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "model")
    ages = np.full(20, -5, np.float32)
    outputs = {"wide": np.zeros((20, 2)), "log": np.full((20, 1), np.nan)}
    write_expected(tmp_path / "model" / "expected.parquet", {"image": IMAGES, "age": ages}, outputs)
    verdict = run(tmp_path / "model")
    assert any("not all finite numbers" in reason for reason in verdict["reasons"])


def test_a_model_that_does_not_load_is_not_blessed(run: Run, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "model")
    next((tmp_path / "model").glob("saved_model/variables/*.index")).unlink()
    verdict = run(tmp_path / "model")
    assert not verdict["blessed"]
    (reason,) = verdict["reasons"]
    assert reason.startswith("candidate version 1 cannot be loaded: ")
    assert "variables" in reason
    assert "load_s" not in verdict


def test_a_model_that_takes_too_long_has_no_verdict_that_would_be_kept(
    run: Run, trained: Path
) -> None:
    expected = r"did not load within 0\.05 s\. If this machine is busy, run the same command again"
    with pytest.raises(RootstockError, match=expected):
        run(trained, InfraValidator(timeout_s=0.05))


def test_a_machine_that_cannot_run_the_server_is_not_the_models_fault(
    run: Run, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RootstockError, match=r"server cannot run here \(exit code 1\)"):
        run(trained)


def test_limits_on_what_serving_takes(run: Run, trained: Path) -> None:
    limits = ServingLimits(max_load_s=0.001, max_latency_ms=0.001, max_memory_mb=1, max_size_mb=1)
    verdict = run(trained, InfraValidator(limits=limits))
    assert not verdict["blessed"]
    assert [reason.partition(" takes ")[0] for reason in verdict["reasons"]] == [
        "Loading",
        "The server's memory",
        "A request over rest",
        "A request over grpc",
    ]
    assert verdict["memory_mb"] > 50
    assert 0 < verdict["size_mb"] < 1
