"""Pusher: only what is blessed goes, all at once, and once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.artifacts import Blessing, ExportedModel
from components.errors import RootstockError
from components.export.pusher import Pusher, PusherInputs, PusherOutputs
from components.stage import Context, Silent
from serving.versions.labels import read_labels


@pytest.fixture
def model(tmp_path: Path) -> ExportedModel:
    saved = tmp_path / "model" / "saved_model"
    saved.mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(b"graph" * 1000)
    return ExportedModel(tmp_path / "model", "digest-1")


def blessing(root: Path, *reasons: str, name: str = "a") -> Blessing:
    path = root / f"blessing-{name}"
    path.mkdir()
    verdict = {"blessed": not reasons, "reasons": reasons}
    (path / "blessing.json").write_text(json.dumps(verdict))
    return Blessing(path)


def push(
    root: Path,
    model: ExportedModel,
    *blessings: Blessing,
    destination: Path | None = None,
    label: str | None = None,
    replaces: bool = True,
) -> tuple[Pusher, PusherOutputs, dict[str, object]]:
    output = root / f"output-{len(list(root.iterdir()))}"
    output.mkdir()
    place = str(destination or root / "served")
    stage = Pusher(model="digits", destination=place, label=label, replaces=replaces)
    outputs = stage.run(PusherInputs(model, blessings), Context(output, root / "scratch"))
    assert outputs.pushed.path == output / "pushed"
    return stage, outputs, json.loads((outputs.pushed.path / "pushed.json").read_text())


def test_a_blessed_model_becomes_a_version(tmp_path: Path, model: ExportedModel) -> None:
    _, _, record = push(tmp_path, model, blessing(tmp_path), blessing(tmp_path, name="b"))
    version = tmp_path / "served" / "digits" / "1"
    assert (record["version"], record["path"]) == (1, str(version))
    assert (version / "saved_model.pb").read_bytes() == b"graph" * 1000


def test_without_every_blessing_nothing_is_pushed(tmp_path: Path, model: ExportedModel) -> None:
    refused = blessing(tmp_path, "AUC 0.6 is below 0.7.", name="b")
    stage, outputs, record = push(tmp_path, model, blessing(tmp_path), refused)
    assert (record["version"], record["path"]) == (0, "")
    assert record["reasons"] == ["AUC 0.6 is below 0.7."]
    assert not (tmp_path / "served").exists()
    assert stage.still_valid(outputs)


def test_what_makes_the_evaluation_uncertain_is_recorded(
    tmp_path: Path, model: ExportedModel
) -> None:
    few = blessing(tmp_path)
    warning = "test: income is measured on only 7 positive rows"
    (few.path / "blessing.json").write_text(
        json.dumps({"blessed": True, "reasons": [], "warnings": [warning]})
    )
    _, outputs, record = push(tmp_path, model, few, blessing(tmp_path, name="b"))
    assert (record["version"], record["warnings"]) == (1, [warning])
    assert outputs.pushed.load().warnings == (warning,)


def test_the_same_model_keeps_its_version(tmp_path: Path, model: ExportedModel) -> None:
    yes = blessing(tmp_path)
    versions = [push(tmp_path, model, yes)[2]["version"] for _ in range(2)]
    other = ExportedModel(model.path, "digest-2")
    versions += [push(tmp_path, m, yes)[2]["version"] for m in (other, model)]
    assert versions == [1, 1, 2, 1]


def test_the_record_names_the_model_that_was_replaced(tmp_path: Path, model: ExportedModel) -> None:
    yes = blessing(tmp_path)
    models = [ExportedModel(model.path, f"digest-{i}") for i in range(1, 4)]
    records = [push(tmp_path, m, yes)[2] for m in (*models[:2], models[0])]
    assert [(r["served"], r["served_digest"]) for r in records] == [
        (0, ""),
        (1, "digest-1"),
        (0, ""),
    ], "pushed before: nothing is replaced"
    records = [push(tmp_path, m, yes, label="canary")[2] for m in models[1:]]
    assert [r["served"] for r in records] == [0, 2], "that which had the label"


def test_what_is_served_stays_unless_it_may_be_replaced(
    tmp_path: Path, model: ExportedModel
) -> None:
    yes, other = blessing(tmp_path), ExportedModel(model.path, "digest-2")
    assert push(tmp_path, model, yes, replaces=False)[2]["version"] == 1, "nothing is served yet"
    assert push(tmp_path, model, yes, replaces=False)[2]["version"] == 1, "it is served itself"
    stage, outputs, record = push(tmp_path, other, yes, replaces=False)
    assert (record["version"], record["held"], record["served"]) == (0, True, 1)
    assert record["reasons"] == ["version 1 is served, and this run does not replace it"]
    assert stage.still_valid(outputs)
    assert push(tmp_path, other, yes)[2]["version"] == 2
    assert not stage.still_valid(outputs), "another model is served now"
    refused = blessing(tmp_path, "AUC 0.6 is below 0.7.", name="b")
    assert not push(tmp_path, model, refused, replaces=False)[2]["held"]


def test_a_version_that_was_damaged_is_pushed_again(tmp_path: Path, model: ExportedModel) -> None:
    yes = blessing(tmp_path)
    stage, outputs, _ = push(tmp_path, model, yes)
    assert stage.still_valid(outputs)
    (tmp_path / "served/digits/1/saved_model.pb").write_bytes(b"graph")
    assert not stage.still_valid(outputs)
    assert push(tmp_path, model, yes)[2]["version"] == 2


def test_before_the_first_canary_the_served_version_becomes_stable(
    tmp_path: Path, model: ExportedModel
) -> None:
    yes = blessing(tmp_path)
    trials = [ExportedModel(model.path, f"digest-{i}") for i in (2, 3)]
    push(tmp_path, trials[0], yes, label="canary")
    assert read_labels(tmp_path / "served/digits").versions == {"canary": 1}
    shutil.rmtree(tmp_path / "served")
    push(tmp_path, model, yes)
    for number, trial in enumerate(trials, 2):
        push(tmp_path, trial, yes, label="canary")
        assert read_labels(tmp_path / "served/digits").versions == {"stable": 1, "canary": number}


class Figures(Silent):
    def __init__(self) -> None:
        self.figures: dict[str, float | int | str] = {}

    def figure(self, name: str, value: float | int | str) -> None:
        self.figures[name] = value


def test_it_says_whether_the_version_was_there_before(tmp_path: Path, model: ExportedModel) -> None:
    reports = []
    for attempt in "ab":
        (tmp_path / attempt).mkdir()
        observer = Figures()
        context = Context(tmp_path / attempt, tmp_path, observer=observer)
        stage = Pusher(model="digits", destination=str(tmp_path / "served"))
        stage.run(PusherInputs(model, ()), context)
        reports.append(observer.figures)
    assert [figures["version"] for figures in reports] == [1, 1]
    assert [figures.get("pushed") for figures in reports] == [None, "before"]


def test_it_is_valid_only_while_its_version_is_there(tmp_path: Path, model: ExportedModel) -> None:
    yes = blessing(tmp_path)
    stage, outputs, _ = push(tmp_path, model, yes)
    assert stage.still_valid(outputs)
    shutil.rmtree(tmp_path / "served" / "digits" / "1")
    assert not stage.still_valid(outputs)
    stage, outputs, record = push(tmp_path, model, yes)
    assert record["version"] == 2
    assert stage.still_valid(outputs)


def test_a_destination_that_cannot_be_made_is_explained(
    tmp_path: Path, model: ExportedModel
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RootstockError, match=r"file/served: .*another push destination"):
        push(tmp_path, model, blessing(tmp_path), destination=tmp_path / "file" / "served")


def test_a_destination_without_permission_is_explained(
    tmp_path: Path, model: ExportedModel
) -> None:
    if os.geteuid() == 0:  # root may write anywhere else
        destination = Path("/proc/rootstock")
    else:
        destination = tmp_path / "locked"
        destination.mkdir(mode=0o500)
    with pytest.raises(RootstockError, match="another push destination"):
        push(tmp_path, model, blessing(tmp_path), destination=destination)


def test_a_full_disk_is_explained_and_leaves_nothing(tmp_path: Path) -> None:
    """The kernel's own limit on a file's size stands in for a full disk: the write fails."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from components.artifacts import Blessing, ExportedModel\n"
        "from components.export.pusher import Pusher, PusherInputs\n"
        "from components.stage import Context\n"
        "root = Path(sys.argv[1])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "inputs = PusherInputs(ExportedModel(root / 'model', 'd'), ())\n"
        "Pusher(model='m', destination=str(root / 'served')).run(inputs, Context(root, root))\n"
    )
    saved = tmp_path / "model" / "saved_model"
    saved.mkdir(parents=True)
    (saved / "saved_model.pb").write_bytes(bytes(5000))
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    message = done.stderr.splitlines()[-1]
    assert message.startswith("components.errors.RootstockError:")
    assert f"{tmp_path / 'served'}: the model cannot be pushed there" in message
    assert "File too large" in message
    assert {p.name for p in (tmp_path / "served" / "m").iterdir()} == {".lock"}


def test_an_impossible_name_is_explained(tmp_path: Path, model: ExportedModel) -> None:
    output = tmp_path / "output"
    output.mkdir()
    stage = Pusher(model="a/b", destination=str(tmp_path / "served"))
    with pytest.raises(RootstockError, match="model name"):
        stage.run(PusherInputs(model, ()), Context(output, tmp_path))
