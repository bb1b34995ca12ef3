"""A search through the command line: killed, continued, recorded in MLflow, with its files."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import mlflow
import pytest

from pipeline.store.store import Store
from tests.command_line import call, finished, start, stops, train_on
from tests.planted import write_rows, write_spec

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's
]

TUNE = """\
tune:
  space:
    training.learning_rate: {low: 0.001, high: 0.1, log: true}
    model.trunk.width: [2, 16]
  trials: 6
"""
TUNED = ("tune", "spec.yaml", "--set", "tracking.backend=mlflow")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tuned")
    write_rows(directory)
    write_spec(directory, ("up", "side"), TUNE)
    return directory


def test_a_killed_search_continues_and_writes_a_spec_that_runs(project: Path) -> None:
    killed = start(project, *TUNED, "--workers", "2")
    end = time.monotonic() + 240
    while len(finished(project / "store")) < 3 and time.monotonic() < end:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    before = finished(project / "store")
    code, out, err = call(project, *TUNED)
    assert code == 0, err
    after = finished(project / "store")
    assert {k: after[k] for k in before} == before, "a finished trial was repeated"

    directory = project / "store" / "tuning" / "planted"
    report = json.loads((directory / "tuning.json").read_text())
    assert len(report["trials"]) == 6
    (best,) = (t for t in report["trials"] if t["number"] == report["best"])
    assert best["gain"] == max(t["gain"] for t in report["trials"] if t["gain"] is not None)
    assert best["gain"] > 0, "a trunk two units wide can be bettered"
    assert "To train it: rootstock run" in out
    page = (directory / "tuning.html").read_text()
    ended = sum(t["state"] == "complete" for t in report["trials"])
    assert ("Importance of the fields" in page) == bool(report["importances"])
    assert page.count("<polyline") == ended + 1  # a line for each trial, and the best so far

    code, _, err = call(project, "validate", str(directory / "tuned.yaml"))
    assert code == 0, err
    text = (directory / "tuned.yaml").read_text()
    assert "tune:" not in text
    assert any(f"learning_rate: {v.split('=')[1]}" in text for v in best["overrides"])

    client = mlflow.MlflowClient(f"sqlite:///{project / 'store' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("planted")
    runs = client.search_runs([experiment.experiment_id])
    children = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    assert len(runs) == 1 + len(children) == 7
    (parent,) = (r for r in runs if r not in children)
    assert parent.data.metrics["gain"] == pytest.approx(best["gain"])
    assert not parent.data.tags["rootstock.search"].startswith("trial")
    entries = [e for _, e in Store(project / "store").entries() if e is not None]
    trained = {round(1000 * e.created) for e in entries if e.identity.stage == "Trial"}
    ended = {c.info.end_time for c in children if "seconds" in c.data.metrics}
    assert ended
    assert ended <= trained, "trials ended when they were trained, not when they were sent"

    code, _, err = call(project, *TUNED)
    assert code == 0, err
    assert finished(project / "store") == after
    assert "Nothing is left to try: 6 trials are finished already." in err
    assert len(client.search_runs([experiment.experiment_id])) == 7


def test_an_interrupted_search_stops_at_once_and_can_continue(project: Path) -> None:
    endless = ["--set", "store=store/endless", "--set", "tune.space={training.epochs: [100000]}"]
    store = project / "store" / "endless"
    for times, group in ((1, False), (3, True)):
        process = start(project, "tune", "spec.yaml", *endless)
        train_on(process, store, short=1, trials=1)
        done = finished(store)
        stops(process, times, group)
        assert len(done) == 1, "the original spec"
        assert finished(store) == done
