"""The whole chain through the command line: every kind of task, on rows with missing labels."""

import json
import os
import random
import re
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rootstock as rs
from components.artifacts import ExportedModel, Pushed
from components.export.expected_outputs import read_expected
from pipeline.library_output import is_noise
from pipeline.store.store import Store
from serving.client.client import Client
from serving.server.launch import ServerProcess
from tests.command_line import call, entry, sets, start

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
model: {balancing: uncertainty, experts: none}
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


@dataclass(frozen=True)
class Finished:
    """A project whose pipeline has run once, in a process of its own."""

    project: Path
    code: int
    out: str
    err: str
    seconds: float


def write_project(directory: Path) -> Path:
    (directory / "spec.yaml").write_text(SPEC)
    (directory / "rows.csv").write_text(rows())
    return directory


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    project = write_project(tmp_path_factory.mktemp("fruit"))
    began = time.monotonic()
    process = start(project, "run", "spec.yaml")
    out, err = process.communicate(timeout=280)
    return Finished(project, process.returncode, out, err, time.monotonic() - began)


def run(project: Path, *overrides: str, more: Sequence[str] = ()) -> tuple[int, str, str]:
    """The pipeline in this process, without a record in MLflow."""
    return call(project, "run", "spec.yaml", *sets("tracking.backend=none", *overrides), *more)


def half_written(project: Path) -> list[str]:
    return [p.name for mark in (".new-*", ".scratch-*", ".staging-*") for p in project.rglob(mark)]


def test_raw_rows_become_a_served_model(finished: Finished) -> None:
    project = finished.project
    assert finished.code == 0, finished.err
    assert "Pushed version 1" in finished.out
    assert " test rows:\n" in finished.out
    assert all(stage in finished.out for stage in STAGES)
    assert not [line for line in finished.err.splitlines() if line and is_noise(line)]
    model = ExportedModel(entry(project, "Exporter").path / "model")
    raw, expected = read_expected(model.expected)
    assert {n: e.shape[1] for n, e in expected.items()} == {
        "ripe": 1,
        "sort": 3,
        "flavours": 2,
        "weight": 1,
    }
    page = (project / "store" / "pages" / "fruit" / "run.html").read_text()
    assert "The page of this run" in finished.out
    for task in expected:
        assert f">{task} <small" in page
    log = project / "server.log"
    with ServerProcess({"fruit": project / "served" / "fruit"}, log) as server:
        ports = server.wait(60)
        for url in (f"http://127.0.0.1:{ports['rest']}", f"grpc://127.0.0.1:{ports['grpc']}"):
            with Client(url, "fruit") as client:
                answers = client.predict(raw)
            for task, answer in expected.items():
                np.testing.assert_allclose(answers[task], answer, rtol=1e-5, atol=1e-5)
    process = start(project, "run", "spec.yaml", timed=True)
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0
    assert out.count("cached") == len(STAGES), out
    assert "Version 1 already contains this model and is served by default." in out
    assert "Pushed" not in out
    assert "| tensorflow\n" not in err
    assert "| mlflow\n" not in err
    assert half_written(project) == []


@pytest.mark.slow
def test_the_code_of_the_page_on_python(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is executed as it stands there, on the results of this run instead of its own."""
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
    make_spec, *blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    said: dict[str, Any] = {}
    exec(make_spec, said)
    assert said["spec"].tasks == ["ripe", "grams"]
    values = {"tracking.backend": "none"}
    said["spec"] = rs.Spec.load(finished.project / "spec.yaml", values=values)
    for block in blocks:
        exec(block, said)
    result, test, answers = said["result"], said["test"], said["answers"]
    assert result.pushed
    assert set(result.metrics["task"]) == {"ripe", "sort", "flavours", "weight"}
    assert list(result.metrics.query("metric == 'auc' and task == 'ripe'")["value"]) == [
        result.outcome.metrics["ripe"]["auc"]
    ]
    assert len(answers) == len(test) > 0
    assert set(answers["sort"]) <= set(test["sort"].dropna())
    each = result.predict(test.to_dict("records")[:3], probabilities=True)
    assert {"ripe=positive", "sort=apple", "flavours", "weight"} <= {
        c if "flavours" not in c else "flavours" for c in each
    }
    features = result.features(test)
    before = result.model.predict(features, verbose=0)
    after = said["again"].predict(features, verbose=0)
    for task, values in before.items():
        np.testing.assert_allclose(after[task], values, atol=1e-5)
    np.testing.assert_allclose(before["weight"][:, 0], answers["weight"], rtol=1e-4)
    assert "ripe" in result._repr_html_()
    assert len(result.history) == 3


def test_an_unblessed_model_is_not_pushed(finished: Finished) -> None:
    code, out, _ = run(
        finished.project,
        "thresholds=[{task: ripe, metric: auc, min: 1.1}]",
        "push.destination=unblessed",
    )
    assert code == 0
    assert "Not pushed: " in out
    assert "ripe" in out
    assert not (finished.project / "unblessed").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("constant", "ripe"),
        ("missing", "ripe"),
        ("outside", "blueberry"),
        ("class", "cherry"),
        ("columns", "line 5"),
    ],
)
def test_data_that_cannot_be_used_is_refused(project: Path, change: str, message: str) -> None:
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
    code, _, err = run(project, *overrides)
    assert code == 2, err
    assert message in err.split("rootstock: ", 1)[1]
    assert "Traceback" not in err
    assert not (project / "served").exists()


def test_a_push_directory_that_cannot_be_made(finished: Finished) -> None:
    taken = finished.project / "taken"
    taken.write_text("a file stands here")
    code, _, err = run(finished.project, "push.destination=taken")
    assert code == 2
    assert str(taken) in err
    assert "Traceback" not in err
    taken.unlink()
    code, out, _ = run(finished.project, "push.destination=taken")
    assert code == 0
    assert out.count("cached") == len(STAGES) - 1
    code, out, err = run(finished.project, "push.destination=taken", more=["--json"])
    result = json.loads(out.splitlines()[-1])
    assert (code, result["pushed"], result["version"]) == (0, True, 1)
    assert set(result["metrics"]) == {"ripe", "sort", "flavours", "weight"}
    assert 0 <= result["metrics"]["ripe"]["auc"] <= 1
    assert "cached" in err


def test_mlflow_that_is_down_stops_nothing_and_is_told_later(finished: Finished) -> None:
    project = finished.project
    other = ["thresholds=[{task: ripe, metric: auc, min: 0.3}]", "push.destination=later"]
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = call(project, "run", "spec.yaml", *sets(f"tracking.uri={uri}", *other))
        assert code == 0, err
        assert "rootstock sync" in out
    code, out, err = call(project, "sync", "spec.yaml")
    assert code == 0, err
    assert "sent" in out


def test_kill_at_any_moment_then_run_again(finished: Finished, project: Path) -> None:
    rng = random.Random(int(os.environ.get("KILL_SEED", "1")))
    for _ in range(3):
        process = start(project, "run", "spec.yaml", *sets("tracking.backend=none"))
        time.sleep(rng.uniform(1, finished.seconds))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert run(project)[0] == 0
    calm = Store(finished.project / "store")
    for stage in STAGES[:5]:
        result = calm.latest(stage)
        assert result is not None
        assert result.outputs == entry(project, stage).outputs
    values = [
        json.loads((e.path / "evaluation" / "evaluation.json").read_text())["tasks"]
        for e in (calm.latest("Evaluator"), entry(project, "Evaluator"))
        if e is not None
    ]
    for task in values[0]:
        for name, value in values[0][task]["values"].items():
            if isinstance(value, float):
                assert values[1][task]["values"][name] == pytest.approx(value, abs=1e-6)
    assert half_written(project) == []
    pushed = Pushed(entry(project, "Pusher").path / "pushed").load()
    assert [p.name for p in Path(pushed.path).parent.iterdir() if p.name.isdigit()] == ["1"]
