"""A count task beside a binary one, from rows to a served model, and against its baseline."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mean_poisson_deviance

from components.artifacts import Examples, TaskStatistics
from components.experiments.baseline import Baseline, BaselineInputs
from components.experiments.trial_result import load_figures
from components.labels.label_statistics import load_task_statistics
from components.stage import Context
from pipeline.spec.load import load_spec
from serving.client.client import Client
from serving.server.launch import ServerProcess
from tests.command_line import call, entry

SPEC = """\
name: shop
seed: 1
data: {sources: [{format: csv, path: rows.csv}]}
inputs:
  age: {kind: numeric}
  channel: {kind: categorical}
tasks:
  visits: {kind: count, label: visits, coverage: 0.9}
  member:
    kind: binary
    label: member
    class_weight: {positive: 20}
    calibration: auto
    coverage: 0.9
    decision: {false_positive: 4, false_negative: 1}
model: {experts: none}
training: {epochs: 12, batch_size: 32, learning_rate: 0.01}
thresholds: [{task: visits, metric: deviance, max: 1.6}, {task: member, metric: auc, min: 0.6}]
push: {destination: served}
store: store
tracking: {backend: none}
"""


def rows(count: int = 1500) -> str:
    rng = np.random.default_rng(0)
    age, channel = rng.normal(40, 10, count), rng.choice(["web", "store"], count)
    rate = np.exp(0.5 + (age - 40) / 15 + 0.7 * (channel == "web"))
    visits, member = rng.poisson(rate), rng.random(count) < 1 / (1 + np.exp(-(age - 40) / 5))
    lines = ["age,channel,visits,member"]
    for a, c, v, m in zip(age, channel, visits, member, strict=True):
        kept = [str(x) if rng.random() > 0.1 else "" for x in (v, int(m))]
        lines.append(",".join([f"{a:.2f}", c, *kept]))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("shop")
    (directory / "spec.yaml").write_text(SPEC)
    (directory / "rows.csv").write_text(rows())
    code, out, err = call(directory, "run", "spec.yaml")
    assert code == 0, err
    assert "Pushed version 1" in out
    return directory


def artifact(project: Path, stage: str, name: str) -> Path:
    return entry(project, stage).path / name


def test_the_served_model_answers_expected_counts(project: Path) -> None:
    shop = project / "served" / "shop"
    ages = np.array([25.0, 40.0, 55.0], np.float32)
    asked = {"age": ages, "channel": np.array([b"web"] * 3, object)}
    with ServerProcess({"shop": shop}, project / "server.log") as server:
        ports = server.wait(60)
        for url in (f"http://127.0.0.1:{ports['rest']}", f"grpc://127.0.0.1:{ports['grpc']}"):
            with Client(url, "shop") as client:
                visits = client.predict(asked)["visits"]
            assert visits.shape == (3, 1)
            truth = np.exp(0.5 + (ages - 40) / 15 + 0.7)
            np.testing.assert_allclose(visits[:, 0], truth, rtol=0.3)
            with Client(url, "shop", signature="detailed") as client:
                details = client.predict(asked)
            np.testing.assert_allclose(details["visits"], visits, rtol=1e-6)
            assert (details["visits.lower"] < visits).all()
            assert (visits < details["visits.upper"]).all()
            p = details["member"][:, 0]
            assert (details["member.uncalibrated"][:, 0] > p).all(), "positive rows weigh more"
            assert (details["member.class"] == np.where(p > 0.8, b"positive", b"negative")).all()
            assert details["member.set"].shape == (3, 2)
        url = f"http://127.0.0.1:{ports['rest']}"
        code, out, err = call(project, "predict", "shop", "--url", url, "age=25", "channel=web")
        assert code == 0, err
        assert json.loads(out)["member.class"] == "negative"
        assert set(json.loads(out)["member.set"]) <= {"negative", "positive"}
        assert json.loads(out)["visits.upper"] == pytest.approx(details["visits.upper"][0])


def test_the_evaluation_is_in_deviances(project: Path) -> None:
    report = json.loads(
        (artifact(project, "Evaluator", "evaluation") / "evaluation.json").read_text()
    )
    visits = report["tasks"]["visits"]
    assert list(visits["values"]) == ["deviance", "mae"]
    interval = visits["intervals"]["deviance"]
    assert interval["low"] < visits["values"]["deviance"] < interval["high"]
    member = report["tasks"]["member"]
    for metric in ("log_loss", "calibration_error"):
        before = member["uncalibrated"]["values"][metric]
        assert member["values"][metric] < 0.7 * before, "weights of classes made it too sure"
    for task in (visits, member):
        within = task["coverage"]["interval"]
        assert within["low"] - 0.03 < 0.9 < within["high"] + 0.03
    page = (artifact(project, "Evaluator", "evaluation") / "evaluation.html").read_text()
    assert "before calibration" in page
    assert "90 % were asked for" in page
    figures = entry(project, "Trainer").figures
    assert str(figures["member calibration"]).startswith(("platt, slope", "isotonic"))
    assert "above 0.8" in str(figures["member cost"])


def test_label_counts_count_its_numbers(project: Path) -> None:
    statistics = TaskStatistics(artifact(project, "TaskStatisticsGen", "task_statistics"))
    visits, member = load_task_statistics(statistics)["train"].tasks
    assert (visits.kind, visits.classes) == ("count", ())
    assert visits.labelled > visits.missing > 0
    assert len(member.classes) == 2


def test_the_baseline_comes_near_the_truth(project: Path, tmp_path: Path) -> None:
    spec, _ = load_spec(project / "spec.yaml")
    tasks = tuple(spec.tasks.values())
    stage = Baseline(
        model="classical", inputs=tuple(spec.inputs.values()), tasks=tasks, drawn_by=tasks[0]
    )
    examples = Examples(artifact(project, "ExampleGen", "examples"))
    context = Context(tmp_path, tmp_path)
    figures = load_figures(stage.run(BaselineInputs(examples), context).result)
    table = examples.read("test")
    label = np.array(table["visits"].to_pylist(), float)
    web = np.array(table["channel"].to_pylist()) == "web"
    rate = np.exp(0.5 + (np.array(table["age"].to_pylist()) - 40) / 15 + 0.7 * web)
    known = ~np.isnan(label)
    best = mean_poisson_deviance(label[known], rate[known])
    deviance = figures.tasks["visits"].test["deviance"]
    assert deviance is not None
    assert best < deviance < 1.4 * best


def test_a_wrong_label_is_refused_before_anything_is_trained(project: Path) -> None:
    lines = (project / "rows.csv").read_text().splitlines()
    lines[3] = "30,web,-4,1"
    (project / "wrong.csv").write_text("\n".join(lines) + "\n")
    wrong = "data.sources=[{format: csv, path: wrong.csv}]"
    code, out, err = call(project, "validate", "spec.yaml", "--set", wrong)
    assert code == 2
    shown = out + err
    assert "label -4 of column 'visits', row 2, is no count. Expected whole numbers" in shown
