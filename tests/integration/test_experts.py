"""Experts from raw rows to a served model: what they add, what they must not do."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import Examples, ExportedModel
from components.data.raw import raw_inputs
from components.export.keras_model import load_keras
from serving.server.saved_model import SavedModel
from tests.command_line import call, entry, sets, start
from tests.needs_lightgbm import NEEDS_LIGHTGBM
from tests.serving_operations import not_served

SPEC = """\
name: shop
seed: 1
data: {sources: [{format: csv, path: rows.csv}]}
inputs:
  age: {kind: numeric}
  channel: {kind: categorical}
  note: {kind: text, length: 8}
tasks:
  member: {kind: binary, label: member}
  noise: {kind: binary, label: noise}
training: {epochs: 2, batch_size: 64}
push: {destination: served}
store: store
tracking: {backend: none}
"""
WORDS = ["good", "bad", "slow", "fast", "blue", "träge", "新しい"]


def rows(count: int = 1200) -> str:
    rng = np.random.default_rng(0)
    lines = ["age,channel,note,member,noise"]
    for _ in range(count):
        age, channel = rng.normal(40, 10), rng.choice(["web", "store"])
        words = rng.choice(WORDS, rng.integers(1, 12))
        score = 2 * (abs(age - 40) < 6) + 2 * ("träge" in words) - 1 + 0.5 * rng.normal()
        shown = f"{age:.2f}" if rng.random() > 0.1 else ""
        lines.append(f"{shown},{channel},{' '.join(words)},{int(score > 0)},{rng.integers(2)}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shop")
    (directory / "spec.yaml").write_text(SPEC)
    (directory / "rows.csv").write_text(rows())
    code, out, err = call(directory, "run", "spec.yaml")
    assert code == 0, out + err
    return directory


def auc(project: Path, task: str) -> tuple[float, float, float]:
    """The AUC on test rows with its interval."""
    file = entry(project, "Evaluator").path / "evaluation" / "evaluation.json"
    report = json.loads(file.read_text())["tasks"][task]
    interval = report["intervals"]["auc"]
    return report["values"]["auc"], interval["low"], interval["high"]


def history(project: Path) -> dict[str, object]:
    read = json.loads((entry(project, "Trainer").path / "model" / "history.json").read_text())
    assert isinstance(read, dict)
    return read


@NEEDS_LIGHTGBM
def test_two_epochs_are_enough_with_experts(project: Path) -> None:
    assert auc(project, "member")[0] > 0.93
    weights = history(project)["last_word"]
    assert isinstance(weights, dict)
    names = set(weights["member"])
    assert {"network", "trees", "ngrams.note.words", "ngrams.note.characters"} <= names
    assert min(weights["member"].values()) >= 0


def test_random_labels_stay_random(project: Path) -> None:
    _, low, high = auc(project, "noise")
    assert low < 0.5 < high


def test_the_saved_model_answers_as_keras_does(project: Path) -> None:
    model = ExportedModel(entry(project, "Exporter").path / "model")
    served, keras = SavedModel(model.saved_model), load_keras(model)
    table = Examples(entry(project, "ExampleGen").path / "examples").read("test")
    raw = raw_inputs(table, keras.record.features)
    raw["note"] = np.array([note.encode() for note in raw["note"]], object)
    raw["channel"] = np.array([channel.encode() for channel in raw["channel"]], object)
    expected = {task: answer.numpy() for task, answer in keras(raw).items()}
    answers = served.predict("serving_default", raw)
    one = served.predict("serving_default", {name: values[:1] for name, values in raw.items()})
    for task in ("member", "noise"):
        np.testing.assert_allclose(answers[task], expected[task], atol=1e-5)
        np.testing.assert_allclose(one[task], expected[task][:1], atol=1e-5)


def test_tensorflow_serving_has_every_operation(project: Path) -> None:
    model = ExportedModel(entry(project, "Exporter").path / "model")
    assert not_served(model.saved_model) == set()


def test_killed_in_experts_the_same_command_goes_on(project: Path, tmp_path: Path) -> None:
    for name in ("spec.yaml", "rows.csv"):
        (tmp_path / name).write_bytes((project / name).read_bytes())
    arguments = ("run", "spec.yaml", *sets(f"store={project / 'store'}", "seed=2"))
    scratch = project / "store" / "Experts"
    for delay in (0.0, 1.0):
        before = {p.name for p in scratch.iterdir()}
        with start(tmp_path, *arguments) as process:
            while process.poll() is None and {p.name for p in scratch.iterdir()} == before:
                time.sleep(0.01)
            time.sleep(delay)
            assert process.poll() is None
            os.killpg(process.pid, signal.SIGKILL)
    code, out, err = call(tmp_path, *arguments)
    assert code == 0, out + err
