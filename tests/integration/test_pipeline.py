"""The whole chain through the command line: every kind of task, on rows with missing labels."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from components.artifacts import ExportedModel, Pushed
from components.export.expected_outputs import read_expected
from pipeline.store.store import Store
from serving.client.client import Client
from serving.server.launch import ServerProcess
from tests.command_line import entry

pytestmark = pytest.mark.slow

SPEC = """\
name: fruit
seed: 3
data:
  sources: [{format: csv, path: rows.csv}]
  splits: {train: 0.7, val: 0.15, test: 0.15}
inputs:
  size: {kind: numeric}
  colour: {kind: categorical}
  words: {kind: text, length: 8}
tasks:
  ripe: {kind: binary, label: ripe, positive: "yes", class_weight: balanced}
  sort: {kind: multiclass, label: sort}
  flavours: {kind: multilabel, label: flavours, separator: "|"}
  weight: {kind: regression, label: grams}
model: {balancing: uncertainty}
training: {epochs: 3, batch_size: 32, clip_norm: 1.0, early_stopping: {monitor: val_ripe_auc}}
thresholds:
  - {task: ripe, metric: auc, min: 0.4}
push: {destination: served}
store: store
"""
STAGES = (
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "TaskStatisticsGen",
    "Transform",
    "Trainer",
    "Exporter",
    "Evaluator",
    "InfraValidator",
    "Pusher",
)


def rows(count: int = 600) -> str:
    """Rows in which every label follows from the inputs, and every label is sometimes missing."""
    rng = random.Random(0)
    lines = ["size,colour,words,ripe,sort,flavours,grams"]
    for _ in range(count):
        size, colour = rng.uniform(1, 9), rng.choice(["red", "green", "blue"])
        words = " ".join(rng.choices(["sweet", "sour", "crisp", "soft"], k=5))
        sort = {"red": "apple", "green": "pear", "blue": "plum"}[colour]
        flavours = "|".join(w for w in ("sour", "sweet") if w in words)
        labels = ["yes" if size > 5 else "no", sort, flavours, f"{size * 20:.1f}"]
        kept = [label if rng.random() > 0.2 else "" for label in labels]
        lines.append(",".join([f"{size:.3f}", colour, words, *kept]))
    return "\n".join(lines) + "\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "rows.csv").write_text(rows())
    return tmp_path


def start(project: Path, *overrides: str, timed: bool = False) -> subprocess.Popen[str]:
    command = [sys.executable, *(["-X", "importtime"] if timed else []), "-m", "pipeline.cli.main"]
    command += ["run", "spec.yaml", *[a for o in overrides for a in ("--set", o)]]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=project)


def run(project: Path, *overrides: str, timed: bool = False) -> tuple[int, str, str]:
    process = start(project, *overrides, timed=timed)
    out, err = process.communicate(timeout=280)
    return process.returncode, out, err


def half_written(project: Path) -> list[str]:
    return [p.name for mark in (".new-*", ".scratch-*", ".staging-*") for p in project.rglob(mark)]


def test_raw_rows_become_a_served_model(project: Path) -> None:
    code, out, err = run(project)
    assert code == 0, err
    assert "Pushed version 1" in out
    assert all(stage in out for stage in STAGES)
    model = ExportedModel(entry(project, "Exporter").path / "model")
    raw, expected = read_expected(model.expected)
    assert {n: e.shape[1] for n, e in expected.items()} == {
        "ripe": 1,
        "sort": 3,
        "flavours": 2,
        "weight": 1,
    }
    log = project / "server.log"
    with ServerProcess({"fruit": project / "served" / "fruit"}, log) as server:
        ports = server.wait(60)
        for url in (f"http://127.0.0.1:{ports['rest']}", f"grpc://127.0.0.1:{ports['grpc']}"):
            with Client(url, "fruit") as client:
                answers = client.predict(raw)
            for task, answer in expected.items():
                np.testing.assert_allclose(answers[task], answer, rtol=1e-5, atol=1e-5)
    code, out, err = run(project, timed=True)
    assert code == 0
    assert out.count("cached") == len(STAGES), out
    assert "Version 1 already contains this model and is served by default." in out
    assert "Pushed" not in out
    assert "| tensorflow\n" not in err
    assert "| mlflow\n" not in err
    assert half_written(project) == []


def test_an_unblessed_model_is_not_pushed(project: Path) -> None:
    code, out, _ = run(project, "thresholds=[{task: ripe, metric: auc, min: 1.1}]")
    assert code == 0
    assert "Not pushed: " in out
    assert "ripe" in out
    assert not (project / "served").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("constant", "ripe"),
        ("missing", "ripe"),
        ("outside", "blueberry"),
        ("class", "cherry"),
        ("columns", "line 5"),
    ],
)
def test_data_that_cannot_be_used_is_refused(project: Path, change: str, told: str) -> None:
    table = [line.split(",") for line in (project / "rows.csv").read_text().splitlines()]
    overrides = []
    for row in table[1:]:
        if change in ("constant", "missing"):
            row[3] = "yes" if change == "constant" else ""
    if change == "outside":
        table[7][4] = "blueberry"
        overrides = ["tasks.sort.classes=[apple, pear, plum]"]
    elif change == "class":
        overrides = ["tasks.sort.classes=[apple, pear, plum, cherry]"]
    elif change == "columns":
        table[4].append("one too many")
    (project / "rows.csv").write_text("".join(",".join(row) + "\n" for row in table))
    code, _, err = run(project, "tracking.backend=none", *overrides)
    assert code == 2, err
    assert told in err.split("rootstock: ", 1)[1]
    assert "Traceback" not in err
    assert not (project / "served").exists()


def test_a_push_directory_that_cannot_be_made(project: Path) -> None:
    (project / "served").write_text("a file stands here")
    code, _, err = run(project, "tracking.backend=none")
    assert code == 2
    assert str(project / "served") in err
    assert "Traceback" not in err
    (project / "served").unlink()
    code, out, _ = run(project, "tracking.backend=none")
    assert code == 0
    assert out.count("cached") == len(STAGES) - 1


def test_mlflow_that_is_down_stops_nothing_and_is_told_later(project: Path) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = run(project, f"tracking.uri={uri}")
        assert code == 0, err
        assert "rootstock sync" in out
    command = [sys.executable, "-m", "pipeline.cli.main", "sync", "spec.yaml"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "sent" in done.stdout


def test_kill_at_any_moment_then_run_again(project: Path, tmp_path: Path) -> None:
    rng = random.Random(int(os.environ.get("KILL_SEED", "1")))
    began = time.monotonic()
    assert (
        run(project, "tracking.backend=none", "store=calm", "push.destination=calm/served")[0] == 0
    )
    whole = time.monotonic() - began
    for _ in range(3):
        process = start(project, "tracking.backend=none")
        time.sleep(rng.uniform(1, whole))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert run(project, "tracking.backend=none")[0] == 0
    for stage in STAGES[:5]:
        calm = Store(project / "calm").latest(stage)
        assert calm is not None
        assert calm.outputs == entry(project, stage).outputs
    told = [
        json.loads((e.path / "evaluation" / "evaluation.json").read_text())["tasks"]
        for e in (Store(project / "calm").latest("Evaluator"), entry(project, "Evaluator"))
        if e is not None
    ]
    for task in told[0]:
        for name, value in told[0][task]["values"].items():
            if isinstance(value, float):
                assert told[1][task]["values"][name] == pytest.approx(value, abs=1e-6)
    assert half_written(project) == []
    pushed = Pushed(entry(project, "Pusher").path / "pushed").load()
    assert [p.name for p in Path(pushed.path).parent.iterdir() if p.name.isdigit()] == ["1"]
