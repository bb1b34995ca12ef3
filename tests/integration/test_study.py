"""A study and advice, through the command line, on data for which sharing hurts by construction."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from components.artifacts import Examples
from pipeline.flow import prepare
from pipeline.runner import Runner
from pipeline.spec.load import SpecSource, load_spec
from pipeline.store.store import Store
from pipeline.study.design import design
from pipeline.study.jobs import prepared
from tests.command_line import call, finished, sets, start, stops, train_on
from tests.planted import write_rows, write_spec

STUDY = """\
study:
  arms:
    split: {models: [[up], [side, third]]}
    together: {models: together}
  fractions: [1.0]
  baselines: []
  controls: []
  margin: 0.02
  alpha: 0.2 # six seeds can decide then
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three unrelated tasks in a trunk that is two units wide."""
    directory = tmp_path_factory.mktemp("planted")
    write_rows(directory)
    file = write_spec(directory, ("up", "side", "third"), STUDY)
    spec, _ = load_spec(file, ["store=prepared"])
    with Runner(Store(Path(spec.store))) as runner:
        prepare(spec, runner)
    shutil.copytree(directory / "prepared", directory / "store")
    return directory


def new_store(project: Path, name: str) -> Path:
    """A store that holds the prepared data and nothing else."""
    return Path(shutil.copytree(project / "prepared", project / "store" / name))


def figures(store: Path) -> dict[str, object]:
    """The metrics of each trial of a store, by fingerprint."""
    files = (store / "Trial").glob("[!.]*/result/trial.json")
    return {f.parents[1].name: json.loads(f.read_text())["tasks"] for f in files}


@pytest.mark.timeout(600)
def test_a_killed_study_continues_and_finds_negative_transfer(project: Path) -> None:
    process = start(project, "study", "spec.yaml", "--workers", "2")
    end = time.monotonic() + 200
    while (
        len(finished(project / "store")) < 4 and process.poll() is None and time.monotonic() < end
    ):
        time.sleep(0.2)
    assert process.poll() is None, process.communicate()[1]
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = finished(project / "store")
    assert len(before) >= 4

    code, out, err = call(project, "study", "spec.yaml", "--workers", "2")
    assert code == 0, err
    after = finished(project / "store")
    assert {k: after[k] for k in before} == before
    assert len(after) == 6 * 3 + 2  # two models and one; a short trial of each arm
    report = json.loads((project / "store/studies/planted/study.json").read_text())
    costs = [c for trial in report["trials"] for c in trial["costs"]]
    resumed = [c for c in costs if c["cpu_seconds"] is None]
    assert len(resumed) <= 2, "all but those that were running have their whole time"
    (comparison,) = report["comparisons"]
    outcomes = {v["task"]: v["outcome"] for v in comparison["verdicts"]}
    assert outcomes["up"] == "hurts"
    assert "Negative transfer: up loses" in out
    assert report["recommendation"]["arm"] == "split"
    for name, tasks in (("up", ["up"]), ("side-third", ["side", "third"])):
        spec, _ = load_spec(project / f"store/studies/planted/planted-{name}.yaml")
        assert list(spec.tasks) == tasks


def test_an_interrupted_study_stops_at_once_and_can_continue(project: Path) -> None:
    store = new_store(project, "endless")
    endless = sets(f"store={store}", "training.epochs=100000")
    for times, group in ((1, False), (3, True)):
        process = start(project, "study", "spec.yaml", "--workers", "2", *endless)
        train_on(process, store, short=2, trials=2)
        done = finished(store)
        stops(process, times, group)
        assert len(done) == 2, "a short trial of each arm"
        assert finished(store) == done


def test_a_finished_study_is_reported_again_without_tensorflow(project: Path) -> None:
    before = finished(project / "store")
    process = start(project, "study", "spec.yaml", timed=True)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert finished(project / "store") == before
    assert "Recommendation: split." in out
    assert not [m for m in ("tensorflow", "keras", "mlflow", "apache_beam") if f" {m}\n" in err]


def test_advice_separates_the_tasks(project: Path) -> None:
    code, out, err = call(project, "advise", "spec.yaml")
    assert code == 0, err
    advised = project / "store/advice/planted"
    advice = json.loads((advised / "advice.json").read_text())
    assert len(advice["groups"]) > 1
    assert "when they are trained together" in out
    spec, _ = load_spec(advised / "advised.yaml")
    assert "multitask" in spec.study.arms
    assert "<svg" in (advised / "advice.html").read_text()


def test_tasks_may_share_a_label_column(project: Path) -> None:
    other = "tasks.down={kind: binary, label: up, positive: 0}"
    store = new_store(project, "common")
    own = [other, "study={}", "training.epochs=1", f"store={store}"]
    code, _, err = call(project, "advise", "spec.yaml", *sets(*own))
    assert code == 0, err
    (trunk,) = json.loads((store / "advice/planted/advice.json").read_text())["trunks"]
    assert trunk["scores"]["down"]["k-NN"] == trunk["scores"]["up"]["k-NN"]


@pytest.mark.parametrize("command", ["study", "advise"])
def test_what_the_data_stages_warn_of_is_said_once(project: Path, command: str) -> None:
    flat = "inputs.flat={kind: numeric, column: flat}"
    unknown = "tasks.up.positive=[2]"  # ends the command before anything is trained
    code, _, err = call(project, command, "spec.yaml", *sets(flat, unknown))
    assert code == 2
    assert err.count("inputs.flat: column 'flat' is 1 in every row") == 1, err
    assert "done in" not in err, "lines of stages, which all arms have"


def test_an_invalid_arm_is_explained(project: Path) -> None:
    code, _, err = call(project, "study", "spec.yaml", *sets("study.arms={a: {models: [[up]]}}"))
    assert code == 2
    assert "study.arms.a.models: expected each of up, side, third in exactly one group" in err


@pytest.mark.timeout(400)
def test_trials_on_a_beam_runner_give_the_same_results_on_a_split_for_each_seed(
    project: Path,
) -> None:
    store = new_store(project, "beam")
    own = ["study.splits=resampled", "study.seeds=2", "training.epochs=1", f"store={store}"]
    with Runner(Store(store)) as runner:  # the data, which need no process of Beam
        prepared(design(SpecSource(project / "spec.yaml", tuple(own))), runner)
    beam = ["--beam", "direct_running_mode=multi_processing", "--beam", "direct_num_workers=2"]
    process = start(project, "study", "spec.yaml", *sets(*own), *beam)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    after = finished(store)
    assert len(after) == 2 * 3 + 2
    code, _, err = call(project, "study", "spec.yaml", *sets(*own))
    assert code == 0, err
    assert finished(store) == after
    report = (store / "studies" / "planted" / "report.md").read_text()
    assert "Every seed has its own split" in report
    again = project / "store" / "local"
    shutil.copytree(store, again, ignore=shutil.ignore_patterns("Trial", "studies"))
    code, _, err = call(project, "study", "spec.yaml", *sets(*own, f"store={again}"))
    assert code == 0, err
    assert len(figures(again)) == len(after)
    assert figures(again) == figures(store)
    tests = {
        tuple(Examples(path / "examples", "").read("test", ["x0"]).column("x0").to_pylist())
        for path in (store / "ExampleGen").glob("[!.]*")
    }
    assert len(tests) == 2
    report = json.loads((store / "studies/planted/study.json").read_text())
    assert {(t["arm"], t["seed"]) for t in report["trials"]} == {
        (arm, seed) for arm in ("split", "together") for seed in (0, 1)
    }
