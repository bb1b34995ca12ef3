"""`rootstock run --workers`: what is started, and what is refused."""

from __future__ import annotations

import os

import pytest

from components.errors import RootstockError
from components.training.workers import TF_CONFIG, environment_of, started, workers_from
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
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"On b.example:2: {TF_CONFIG}=")
    assert line.endswith("rootstock run spec.yaml --set seed=1")
    assert '"index": 1' in line


def test_workers_of_this_machine_print_nothing_that_the_chief_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["rootstock", "run", "spec.yaml", "-v", "--json"])
    with with_workers("localhost:1,localhost:2"):
        process = started["localhost:2"]
        assert process.args[3:] == ["run", "spec.yaml", "--quiet"]  # type: ignore[index]
    assert process.returncode is not None, "it does not outlive the chief"


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
