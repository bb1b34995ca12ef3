"""A password in every URL of a spec and of the command line, looked for wherever it may lie.

It may be in the environment of processes, and where the user wrote it.
"""

from __future__ import annotations

import contextlib
import http.server
import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
import yaml

from pipeline.spec.load import SpecSource
from pipeline.spec.runnable import runnable_specs
from tests.command_line import call, start

pytestmark = pytest.mark.slow

CANARY = f"C4NARYpassw0rd{os.getpid()}"
"""Of this process only, so that other tests do not put it into the list of processes."""
SPEC = """\
name: shop
data:
  sources: [{{format: sql, path: "{source}", query: select * from rows order by id}}]
  splits: {{train: 0.6, val: 0.2, test: 0.2}}
inputs: {{size: {{kind: numeric}}}}
tasks: {{big: {{kind: binary, label: big, positive: "1"}}}}
training: {{epochs: 1}}
push: {{destination: "{destination}"}}
tracking: {{uri: "{tracking}"}}
store: store
"""


class Watch(threading.Thread):
    """Reads the command lines of all processes until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen: set[str] = set()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.05):
            for process in psutil.process_iter():
                with contextlib.suppress(psutil.Error):
                    self.seen.add(" ".join(process.cmdline()))


class Refusing(http.server.BaseHTTPRequestHandler):
    """A server that repeats what it was asked, as an error."""

    def do_GET(self) -> None:
        self.send_error(500, f"no: {self.path} {self.headers.get('Authorization')}")

    do_POST = do_HEAD = do_GET

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def refusing() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def write_project(directory: Path, **urls: str) -> Path:
    with contextlib.closing(sqlite3.connect(directory / "shop.db")) as database, database:
        database.execute("create table rows (id int, size real, big int)")
        rows = [(i, i % 17, int(i % 17 > 8)) for i in range(200)]
        database.executemany("insert into rows values (?, ?, ?)", rows)
    files = {
        "source": f"sqlite:///file:{directory}/shop.db?uri=true&token={CANARY}",
        "destination": f"memory://key:{CANARY}@models",
        "tracking": f"sqlite:///file:{directory}/mlflow.db?uri=true&password={CANARY}",
    }
    (directory / "spec.yaml").write_text(
        SPEC.format(**files, **urls) if not urls else SPEC.format(**(files | urls))
    )
    return directory


def rootstock(project: Path, *arguments: str) -> tuple[int, str]:
    with start(project, *arguments) as process:
        try:
            out, err = process.communicate(timeout=200)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, out + err


def leaks(project: Path) -> list[Path]:
    """The files below a project with the password, besides the spec that the user wrote."""
    others = (file for file in project.rglob("*") if file != project / "spec.yaml")
    secret = CANARY.encode()
    return [f for f in others if CANARY in str(f) or (f.is_file() and secret in f.read_bytes())]


@pytest.mark.nightly
def test_a_run_that_succeeds(tmp_path: Path) -> None:
    project, watch = write_project(tmp_path), Watch()
    watch.start()
    code, said = rootstock(project, "run", "spec.yaml")
    assert code == 0, said
    assert "memory://***@models/shop/1" in said
    assert "Recorded in MLflow at sqlite:///file:" in said
    code, more = rootstock(project, "sync", "spec.yaml")
    assert code == 0, more
    again = rootstock(project, "run", "spec.yaml")[1]
    names = rootstock(project, "models", "spec.yaml")[1]
    watch.ended.set()
    watch.join()
    assert (project / "mlflow.db").stat().st_size > 0
    assert any("pipeline.tracking.sync" in line for line in watch.seen)
    for text in (said, more, again, names, *watch.seen):
        assert CANARY not in text
    assert leaks(project) == []


def test_errors_of_every_url(tmp_path: Path, refusing: str) -> None:
    """Unreachable databases, stores, servers and modules, and values that are no URLs."""
    project, watch = write_project(tmp_path), Watch()
    watch.start()
    login = f"me:{CANARY}@{refusing}"
    said = []
    tracking = {"tracking": {"uri": f"http://{login}"}}
    module = {"name": "tf_hub", "handle": f"http://{login}/module"}
    for overrides in (
        tracking,
        {"tracking": {"uri": f"postgresql://{login}/mlflow"}},
        {"push": {"destination": f"nosuch://{login}/models"}},
        {"push": {"destination": [f"s3://{login}"]}},
        {"tracking": {"uri": {"url": f"http://{login}"}}},
        {"data": {"sources": {"format": "sql", "path": f"mysql://{login}/db", "query": "q"}}},
        {"data": {"sources": [{"format": "sql", "path": f"nosuch://{login}/db", "query": "q"}]}},
        {"data": {"sources": [{"format": "sql", "path": f"me:{CANARY}@host", "query": "q"}]}},
        {"data": {"sources": [{"format": "sql", "path": f"x://a:{CANARY}/@h:y/d", "query": "q"}]}},
        {"data": {"sources": [{"format": "csv", "path": f"s3://{login}/rows.csv"}]}},
        {"data": {"sources": [{"format": "csv", "pth": f"s3://{login}/rows.csv"}]}},
        {"data": {"sources": [{"format": "csv", "path": f"https://{login}/x?sig={CANARY}"}]}},
        {"model": {"trunk": module}},
        {"model": {"trunk": {"name": "keras_hub", "preset": f"http://{login}/x"}}},
        {"model": {"trunk": {"name": "registry", "model": f"http://{login}/x"}}},
        {"model": {"trunk": {"name": "registry", "model": "models:/a@b"}}} | tracking,
    ):  # fmt: skip
        spec = yaml.safe_load((project / "spec.yaml").read_text()) | overrides
        (project / "broken.yaml").write_text(yaml.safe_dump(spec))
        quick = "tracking" in overrides and "model" not in overrides
        command = "sync" if quick else "validate"
        _, out, err = call(project, command, "broken.yaml")
        text = out + err
        assert "internal error" not in text, text
        said.append(text)
    watch.ended.set()
    watch.join()
    for text in said:
        assert CANARY not in text, text
    assert leaks(project) == [project / "broken.yaml"]
    assert not any(CANARY in line for line in watch.seen)


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "shop", "size=1", "--retries", "0", "--url", "http://LOGIN@127.0.0.1:9"),
        ("predict", "shop", "size=1", "--retries", "0", "--url", "grpc://LOGIN@127.0.0.1:9"),
        ("predict", "shop", "size=1", "--url", "ftp://LOGIN@127.0.0.1:9"),
        ("validate", "spec.yaml", "--set", "push.destination=[s3://LOGIN@b]"),
        ("validate", "spec.yaml", "--set", "tracking.url=http://LOGIN@b"),
        ("validate", "spec.yaml", "--set", "tracking.uri=[http://LOGIN@b"),
        ("infer", "spec.yaml", "--output", "new", "--source", "{path: mysql://LOGIN@b/d}"),
        ("infer", "spec.yaml", "--output", "new", "--source", "{format: sql, path: 'mysql://LOGIN@b/d"),
    ],
)  # fmt: skip
def test_errors_of_options(tmp_path: Path, arguments: Sequence[str]) -> None:
    shown = [a.replace("LOGIN", f"me:{CANARY}") for a in arguments]
    code, out, err = call(write_project(tmp_path), *shown)
    assert code == 2, out + err
    assert CANARY not in out + err


def test_recommended_specs_keep_the_names_of_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", CANARY)
    source = f"sqlite:///file:{tmp_path}/shop.db?uri=true&token=${{PASSWORD}}"
    project = write_project(tmp_path, source=source, tracking="http://me:${PASSWORD}@host")
    (text,) = runnable_specs(SpecSource(project / "spec.yaml"), [], [("big",)]).values()
    assert CANARY not in text
    spec = yaml.safe_load(text)
    assert spec["data"]["sources"][0]["path"] == source
    assert spec["tracking"]["uri"] == "http://me:${PASSWORD}@host"
    assert spec["push"]["destination"] == "memory://***@models"
