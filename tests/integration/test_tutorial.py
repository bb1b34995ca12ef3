"""Every command and all code of the tutorial and of the notebook, in order, as they stand there."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import rootstock as rs
from pipeline.cli.main import main
from tests.command_line import start

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "tutorial"
DIGITS = ROOT / "examples" / "digits"
FENCE = re.compile(r'^```(\w+)(?: title="([\w.]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)
FAST: dict[str, Any] = {
    "model": {"experts": "none"},
    "training": {"epochs": 1, "subset": {"rows": 200}},
    "thresholds": [],  # nobody can meet them after one epoch
}
"""What the test adds to a spec before it is run."""
UNRECORDED = {"tracking": {"backend": "none"}}
"""Besides, where nothing asks MLflow any more: this leaves no process behind."""


class Reader:
    """Who follows a page: types its commands, saves its files, and leaves the server running."""

    def __init__(self) -> None:
        self.recorded = False
        self.said: dict[str, Any] = {}
        self.done: list[str] = []
        self._server: subprocess.Popen[str] | None = None
        self._ports = free_ports()

    def follow(self, language: str, file: str, code: str) -> None:
        if language == "yaml" and file:
            write_spec(yaml.safe_load(code))
        elif language == "python" and file:
            Path(file).write_text(code)
        elif language == "python":
            if "rs.run(" in code:
                write_spec(UNRECORDED)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # MLflow's own, while it is imported
                exec(code, self.said)
        elif language == "sh":
            for line in code.splitlines():
                self.type(shlex.split(line, comments=True))

    def type(self, words: list[str]) -> None:
        rest, grpc = self._ports
        self.done.append(" ".join(words[:2]))
        match words:
            case ["rootstock", "serve", *arguments]:
                ports = ["--rest-port", str(rest), "--grpc-port", str(grpc)]
                self._server = start(Path(), "serve", *arguments, *ports)
                name = yaml.safe_load(Path(arguments[0]).read_text())["name"]
                wait_for(f"http://127.0.0.1:{rest}/v1/models/{name}", self._server)
            case ["rootstock", "predict", *arguments]:
                assert main(["predict", *arguments, "--url", f"http://127.0.0.1:{rest}"]) == 0
            case ["rootstock", *arguments]:
                if arguments[0] == "run":
                    write_spec(FAST if self.recorded else FAST | UNRECORDED)
                assert main(arguments) == 0, arguments
            case ["python", *arguments]:
                subprocess.run([sys.executable, *arguments], check=True)
            case _:
                here = [word.replace("127.0.0.1:8501", f"127.0.0.1:{rest}") for word in words]
                out = subprocess.run(here, check=True, capture_output=True, text=True).stdout
                assert '"predictions"' in out

    def leave(self) -> None:
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.communicate(timeout=60)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipeline.run.WAIT_FOR_MLFLOW_S", 200.0)
    following = Reader()
    yield following
    following.leave()


@pytest.mark.slow
@pytest.mark.parametrize("page", ["table", "texts", "pictures"])
def test_a_page_works_as_it_stands(reader: Reader, page: str) -> None:
    content = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    reader.recorded = "mlflow.pyfunc" in content
    found = FENCE.findall(content)
    for language, file, code in found:
        reader.follow(language, file, code)
    assert reader.done[1:5] == [
        "rootstock init",
        "rootstock validate",
        "rootstock run",
        "rootstock serve",
    ]
    assert reader.said["result"].pushed
    assert Path(".rootstock", "pages", reader.said["result"].spec.name, "run.html").is_file()
    if page == "pictures":
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(DIGITS)
            check_notebook(reader.said["result"])


def check_notebook(result: rs.Result) -> None:
    """Its cells, on the run of the page instead of a run of their own: the tasks are the same."""
    cells = json.loads((DIGITS / "digits.ipynb").read_text(encoding="utf-8"))["cells"]
    said: dict[str, Any] = {"result": result}
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    runs = [cell for cell in code if "rs.run(" in cell]
    assert len(runs) == 1
    for cell in code:
        if cell not in runs:
            exec(cell, said)
    assert said["spec"].tasks == result.spec.tasks
    assert len(said["answers"]) == len(said["test"])


def write_spec(sections: dict[str, Any]) -> None:
    """Put sections into spec.yaml, as the page or the test asks for."""
    file = Path("spec.yaml")
    spec = yaml.safe_load(file.read_text())
    for name, section in sections.items():
        spec[name] = spec[name] | section if name == "data" else section
    file.write_text(yaml.safe_dump(spec, sort_keys=False))


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def wait_for(url: str, server: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert server.poll() is None, server.communicate()
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if "AVAILABLE" in answer.read().decode():
                return
        time.sleep(0.2)
    raise AssertionError(f"{url}: no answer in two minutes")
