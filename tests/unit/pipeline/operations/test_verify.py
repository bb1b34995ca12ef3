"""`rootstock verify` names what is damaged, and fails."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.artifacts import Examples
from pipeline.cli.main import main
from pipeline.store.entry import RECORD
from pipeline.store.fingerprint import Identity
from pipeline.store.store import Store
from serving.versions.directory import Directory

SPEC = """\
name: little
data: {sources: [{format: csv, path: rows.csv}]}
inputs: {size: {kind: numeric}}
tasks: {ripe: {kind: binary, label: ripe}}
push: {destination: served}
store: store
"""


@dataclass(frozen=True)
class Made:
    made: Examples


def publish(text: str) -> Path:
    """A result with one file; its path."""
    store, identity = (
        Store(Path("store").absolute()).open(),
        Identity("Make", "{}", {}, {"a": text}),
    )
    with store.attempt(identity) as place:
        made = Examples(place.output / "made")
        made.path.mkdir()
        (made.path / "text").write_text(text)
        return store.publish(identity, place, Made(made), {}, 0.0).path / "made"


def test_verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(SPEC)
    one, two = publish("one"), publish("two")
    Path("saved").mkdir()
    Path("saved/saved_model.pb").write_text("graph")
    Directory(Path("served")).push("little", Path("saved"), "digest")
    Path("served/little/7").mkdir()
    assert main(["verify", "spec.yaml"]) == 0
    assert capsys.readouterr().out == (
        f"Nothing is damaged: 2 results in {tmp_path / 'store'}, 1 pushed versions of little,"
        " 3 files. Not checked, because their files were not recorded: version 7.\n"
    )
    (one / "text").write_text("0ne")
    (two.parent / RECORD).write_text("{}")
    Path("served/little/1/saved_model.pb").write_text("grap!")
    assert main(["verify", "spec.yaml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert sorted(lines[:2]) == sorted(
        [
            f"rootstock: {one.parent}: made: the content of text has changed",
            f"rootstock: {two.parent}: artifact.json is missing, or cannot be read",
        ]
    )
    assert lines[2].endswith("served/little/1: the content of saved_model.pb has changed")
    assert "the next run that needs them makes them again" in lines[3]
    assert "roll back" in lines[4]


def test_results_of_an_earlier_version_are_not_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(SPEC)
    record = publish("one").parent / RECORD
    content = json.loads(record.read_text())
    del content["files"], content["checksum"]
    record.write_text(json.dumps(content))
    assert main(["verify", "spec.yaml"]) == 0
    assert "1 results of an earlier version of Rootstock" in capsys.readouterr().out
    store, identity = Store(Path("store").absolute()), Identity("Make", "{}", {}, {"a": "one"})
    assert store.find(identity) is None
    assert store.damage(identity) == []
