"""`rootstock auto` through the command line: killed, continued, pushed, in MLflow."""

from __future__ import annotations

import json
import os
import signal
import time
from html import unescape
from pathlib import Path

import mlflow
import pytest
import yaml

from pipeline.spec.starter import write_starter
from tests.command_line import call, start
from tests.planted import write_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),  # MLflow's
]
AUTO = ("auto", "rows.csv", "--label", "up", "--metric", "auc", "--minutes")


SMALL = """\
training: {epochs: 2}
model: {experts: none, trunk: {name: scratch, width: 8, columns: {layers: [8], members: 2}}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows, and a directory with a spec that a user has edited: a small network, two epochs."""
    directory = tmp_path_factory.mktemp("auto")
    write_rows(directory, 300)
    (directory / "rows-auto").mkdir()
    spec = directory / "rows-auto" / "spec.yaml"
    write_starter(directory / "rows.csv", ["up"], spec)
    spec.write_text(spec.read_text() + SMALL)
    return directory


def trials(directory: Path) -> list[str]:
    file = directory / "state.json"
    if not file.exists():
        return []
    return [t["name"] for t in json.loads(file.read_text())["trials"]]


def test_a_killed_search_continues_to_a_pushed_model(project: Path) -> None:
    directory = project / "rows-auto"
    killed = start(project, *AUTO, "8")
    end = time.monotonic() + 300
    while len(trials(directory)) < 1 and time.monotonic() < end:
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    before = json.loads((directory / "state.json").read_text())
    code, out, err = call(project, *AUTO, "8")
    assert code == 0, err
    after = json.loads((directory / "state.json").read_text())
    count = len(before["trials"])
    assert after["trials"][:count] == before["trials"], "a finished trial was repeated"
    assert after["spent"] > before["spent"] > 0

    board = json.loads((directory / "report" / "leaderboard.json").read_text())
    assert {"default", "gentle", "larger"} <= {c["candidate"] for c in board["candidates"]}
    assert sum(board["members"].values()) == pytest.approx(1)
    assert board["why"] in out
    assert "On test rows, which no candidate saw: up auc 0." in out
    steps = board["next"]
    first = max(steps["columns"], key=lambda c: c["value"])
    assert first["column"] in ("x0", "x1"), "the columns that `up` is made of"
    assert all(f"Next: {sentence}" in out for sentence in steps["sentences"])
    page = unescape((directory / "report" / "leaderboard.html").read_text())
    assert f"Winner: {board['why']}" in page
    assert "On test rows, which no candidate saw: up auc 0." in page
    assert "Columns that carry the answer" in page
    assert list((directory / ".rootstock" / "serving" / "rows").glob("1/saved_model.pb"))

    spec = yaml.safe_load((directory / "best.yaml").read_text())
    assert len(spec.get("ensemble", [1])) == len(board["members"])
    code, _, err = call(project, "validate", str(directory / "best.yaml"))
    assert code == 0, err
    code, out, err = call(
        project, "run", str(directory / "best.yaml"), "--set", "tracking.backend=none"
    )
    assert code == 0, err
    assert "running" not in err, "every stage is cached"

    client = mlflow.MlflowClient(f"sqlite:///{directory / '.rootstock' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("rows")
    runs = client.search_runs([experiment.experiment_id])
    (parent,) = (r for r in runs if r.data.tags.get("rootstock.winner") == board["winner"])
    above = [r.data.tags.get("mlflow.parentRunId") for r in runs]
    assert above.count(parent.info.run_id) == len(board["candidates"])
    (child,) = (r for r in runs if r.data.params.get("candidate") == "default")
    took = (child.info.end_time - child.info.start_time) / 1000
    assert took == pytest.approx(child.data.metrics["trial_seconds"], abs=0.01)


def test_the_same_command_after_its_time_gives_the_same_model(project: Path) -> None:
    """Whatever is left of the budget: the choice is in the state."""
    directory = project / "rows-auto"
    before = json.loads((directory / "report" / "leaderboard.json").read_text())
    served = (directory / "best.yaml").read_text()
    state = directory / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"spent": 600.0}))
    again = start(project, *AUTO, "1")
    out, err = again.communicate()
    assert again.returncode == 0, err
    after = json.loads((directory / "report" / "leaderboard.json").read_text())
    assert (after["winner"], after["members"]) == (before["winner"], before["members"])
    assert (directory / "best.yaml").read_text() == served
    assert "running" not in err, "every stage is cached"
    assert "not trained" not in out


def test_another_search_in_the_same_directory_is_refused(project: Path, tmp_path: Path) -> None:
    code, _, err = call(project, "auto", "rows.csv", "--label", "side", "--output", "rows-auto")
    assert code == 2
    assert "has a search for" in err
    assert "--output" in err
    own = ("auto", "rows.csv", "--output", str(tmp_path / "new"), "--metric", "nothing", "--label")
    assert call(project, *own, "up")[0] == 2, "before anything was trained"
    (tmp_path / "new" / "state.json").unlink()
    code, _, err = call(project, *own, "side")
    assert code == 2
    assert "spec.yaml predicts up, but --label names side" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--label", "up", "--minutes", "0.1"), "expected at least 0.5"),
        (("--label", "nothing"), "no such column"),
        (("--label", "up", "--cost", "1"), "what a wrong yes and a wrong no cost"),
        (("--label", "up", "--group", "nothing"), "--group nothing: expected a column"),
        (("--label", "up", "--metric", "accurracy"), "--metric: up.accurracy: a binary task"),
        (("--label", "up", "--metric", "down=auc"), "--metric: down.auc: no task"),
        (("--label", "up", "--trunk", "{name: keras_hub, preset: ./none}"), "none"),
    ],
)
def test_bad_requests_end_at_once(
    project: Path, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    code, _, err = call(project, "auto", "rows.csv", *arguments, "--output", str(tmp_path / "new"))
    assert code == 2
    assert message in err
