"""What a new user waits for: from a clone to the champion in a notebook, on a fresh machine.

    python benchmarks/new_user.py [--repository .] [--venv DIR] [--folder DIR]

Clones the repository, then follows README.md and docs/tutorial/table.md: `make demo`, a CSV file,
`rootstock init` and `run`, the page to try the model, and the champion through MLflow. Prints one
line of JSON: seconds of each step, and what the steps showed. Ends with an error if a step fails.

`--venv` uses a ready environment instead of installing one: `set_up` is then absent.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PAGE = "docs/tutorial/table.md"
CODE = re.compile(r'^```python(?: title="([\w.]+)")?\n(.*?)^```', re.MULTILINE | re.DOTALL)
NOISE = re.compile(
    r"^(\d{4}[-/]\d\d[-/]\d\d \d\d:|[IWEF]\d{4} |WARNING|INFO:|I0000|W0000|E0000)"
    r"|cuda|oneDNN|absl|Warning: |Traceback"
)
"""Lines of libraries, not of Rootstock."""
REQUEST = {"district": "Harbour", "rooms": 2, "square_metres": 50, "built": 1995, "balcony": "yes"}


class User:
    """Types commands, and looks at the clock."""

    def __init__(self, folder: Path, clone: Path, venv: Path) -> None:
        self.folder, self.clone, self.venv = folder, clone, venv
        self.seconds: dict[str, float] = {}
        self.environment = {**os.environ, "PATH": f"{venv / 'bin'}:{os.environ['PATH']}"}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 1)

    def types(self, name: str, *command: str, cwd: Path | None = None) -> str:
        """Run a command. Returns what it printed, errors too."""
        with self.step(name):
            done = subprocess.run(
                command,
                cwd=cwd or self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        if done.returncode:
            sys.exit(f"{name}: {' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def serves(self) -> Mapping[str, object]:
        """Open the page to try the model, and ask the model what the tutorial asks."""
        rest, grpc = free_port(), free_port()
        ports = ("--rest-port", str(rest), "--grpc-port", str(grpc))
        began = time.monotonic()
        with subprocess.Popen(
            ("rootstock", "serve", "spec.yaml", *ports),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
        ) as server:
            try:
                page = fetched(f"http://127.0.0.1:{rest}/", server)
                self.seconds["try_page"] = round(time.monotonic() - began, 1)
                body = json.dumps({"instances": [REQUEST]}).encode()
                url = f"http://127.0.0.1:{rest}/v1/models/flats:predict"
                with self.step("first_answer"):
                    answer = json.loads(fetched(url, server, body))
            finally:
                server.terminate()
        return {"try_page_bytes": len(page), "answer": answer["predictions"][0]}


def fetched(url: str, server: subprocess.Popen[bytes], body: bytes | None = None) -> str:
    """What is at `url`, as soon as it answers."""
    while True:
        if server.poll() is not None:
            sys.exit(f"rootstock serve ended with {server.returncode}")
        try:
            with urllib.request.urlopen(url, body) as response:
                return str(response.read().decode())
        except urllib.error.HTTPError as e:
            if e.code not in (404, 503):  # as TF Serving says it until the model is loaded
                sys.exit(f"{url}: {e}: {e.read().decode(errors='replace')[:500]}")
            time.sleep(0.1)
        except OSError:
            time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def follow(user: User, ready: bool) -> Mapping[str, object]:
    """All steps after the clone. ready: nothing has to be installed."""
    if ready:
        demo = user.types("demo", "python", "examples/digits/demo.py", cwd=user.clone)
    else:
        user.types("set_up", "make", ".venv/ready", cwd=user.clone)
        demo = user.types("demo", "make", "demo", cwd=user.clone)
    (title, make_rows), *others = CODE.findall((user.clone / PAGE).read_text())
    (user.folder / title).write_text(make_rows)
    user.types("rows", "python", title)
    user.types("init", "rootstock", "init", "flats.csv", "--label=rent", "--label=let_in_a_week")
    run = user.types("run", "rootstock", "run", "spec.yaml")
    served = user.serves()
    user.types("sync", "rootstock", "sync", "spec.yaml")  # `run` waits a minute at most for MLflow
    notebook = next(code for title, code in others if "mlflow.pyfunc" in code)
    answers = user.types("champion_in_notebook", "python", "-c", notebook)
    lines = demo.splitlines()
    return {
        "demo_lines": len(lines),
        "demo_noise": [line for line in lines if NOISE.search(line)],
        "demo_widest": max(map(len, lines)),
        "pushed": "Pushed version" in run,
        **served,
        "notebook_rows": len(answers.splitlines()) - 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repository", default=str(Path(__file__).parents[1]))
    parser.add_argument("--venv", type=Path, help="a ready environment; default: install one")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        clone = folder / "rootstock"
        venv = (arguments.venv or clone / ".venv").absolute()
        user = User(folder, clone, venv)
        if arguments.venv:  # it may know another copy of the project
            user.environment["PYTHONPATH"] = str(clone)
        user.types("clone", "git", "clone", "--quiet", arguments.repository, str(clone))
        shown = follow(user, arguments.venv is not None)
        commit = user.types("commit", "git", "rev-parse", "--short", "HEAD", cwd=clone).strip()
    del user.seconds["commit"]
    record = {
        "commit": commit,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "seconds": user.seconds,
        "total": round(sum(user.seconds.values()), 1),
        **shown,
    }
    print(json.dumps(record, ensure_ascii=False))


if __name__ == "__main__":
    main()
