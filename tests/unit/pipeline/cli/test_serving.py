"""What `predict` and `serve` print."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.artifacts import ExportedModel
from pipeline.cli.serving import named
from pipeline.library_output import is_noise
from tests.small_model import write_model

SPEC = """\
name: little
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {size: {kind: numeric}}
tasks: {ripe: {kind: binary, label: ripe, positive: "yes"}}
push: {destination: served}
"""


def test_sets_and_labels_name_their_classes() -> None:
    by_class = {"job": {"cook": 0.2, "nurse": 0.7, "smith": 0.1}, "has": {"a": 0.1, "b": 0.9}}
    answers = {
        "job": [0.2, 0.7, 0.1],
        "job.class": "nurse",
        "job.set": [True, True, False],
        "has": [0.1, 0.9],
        "has.labels": [False, True],
        "price": [3.0],
        "price.upper": [4.0],
    }
    shown = named(answers, by_class)
    assert list(shown["job"]) == ["nurse", "cook", "smith"]  # type: ignore[call-overload]
    assert shown["job.set"] == ["cook", "nurse"]
    assert shown["has.labels"] == ["b"]
    assert {n: shown[n] for n in ("job.class", "price", "price.upper")} == {
        "job.class": "nurse",
        "price": [3.0],
        "price.upper": [4.0],
    }
    assert named(answers, {}) == answers, "a server may have no signatures with classes"


@pytest.mark.slow
def test_serve_prints_its_ports_and_no_greeting(tmp_path: Path) -> None:
    model: ExportedModel = write_model(tmp_path / "model")
    shutil.copytree(model.saved_model, tmp_path / "served" / "little" / "1")
    (tmp_path / "spec.yaml").write_text(SPEC)
    command = [sys.executable, "-m", "pipeline.cli.main", "serve", "spec.yaml"]
    command += ["--rest-port", "0", "--grpc-port", "0"]
    shown = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=tmp_path, env=shown, stdout=pipe, stderr=pipe, text=True
    ) as process:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        assert ports["pid"] == process.pid
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = errors.splitlines()
    assert any("little version 1 is available" in line for line in lines), errors
    assert not [line for line in lines if is_noise(line) or "deprecated" in line], errors
