"""`rootstock run --workers`: what is started, and what is refused."""

from __future__ import annotations

import os

import pytest

from components.errors import RootstockError
from components.training.workers import TF_CONFIG, environment_of, workers_from
from pipeline.cli.main import main
from pipeline.cli.workers import with_workers


def test_this_process_is_the_chief_and_other_machines_get_their_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["run", "spec.yaml", "--workers", "a.example:1,b.example:2", "--set", "seed=1"]
    monkeypatch.setattr("sys.argv", ["rootstock", *arguments])
    with with_workers("a.example:1,b.example:2"):
        workers = workers_from()
        assert workers is not None
        assert workers.is_chief
    assert TF_CONFIG not in os.environ
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"On b.example:2: {TF_CONFIG}=")
    assert line.endswith("rootstock run spec.yaml --set seed=1")
    assert '"index": 1' in line


@pytest.mark.parametrize("command", ["study", "tune", "advise"])
def test_other_commands_train_in_one_process(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = environment_of(("a:1", "b:2"), 1)
    monkeypatch.setenv(TF_CONFIG, environment[TF_CONFIG])
    assert main([command, "spec.yaml"]) == 2
    assert f"`rootstock {command}` trains in one process" in capsys.readouterr().err


def test_wrong_addresses_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RootstockError, match="'b' is not host:port"), with_workers("a:1,b"):
        pass
    monkeypatch.setenv(TF_CONFIG, "{}")
    with pytest.raises(RootstockError, match="set already"), with_workers("a:1,b:2"):
        pass
