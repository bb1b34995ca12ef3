"""`rootstock ui`: MLflow's UI with the runs of a spec, until the command is ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from types import FrameType

from components import die_with_parent
from components.errors import RootstockError
from models.masked_url import MaskedUrl, without_secrets
from pipeline.tracking.client import connect

HOST = "127.0.0.1"
LONGEST_START_S = 180.0
MODEL_TRAINING = "workflowType=machine_learning"
"""What makes the UI show runs and models first, not what belongs to language models."""
SMALL = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""MLflow's jobs evaluate language models. Without them it starts eight processes fewer."""


def serve_ui(uri: MaskedUrl, experiment: str, port: int, browser: bool) -> int:
    """Serve the UI of a local MLflow, with one worker; returns the exit code when it has ended.

    Whatever ends this process, all processes that it started end too.

    experiment: the page to show. browser: open it when it is there.

    Raises:
        RootstockError: the port is in use, or the database cannot be made.
    """
    from mlflow.exceptions import MlflowException

    _check_free(port)
    try:
        client = connect(uri.reveal())  # MLflow would lose a database if making it is interrupted
        known = client.get_experiment_by_name(experiment)
    except MlflowException as e:
        raise RootstockError(without_secrets(e.message)) from e
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
    uris = ("MLFLOW_BACKEND_STORE_URI", "MLFLOW_REGISTRY_STORE_URI")  # `ps` shows arguments
    process = subprocess.Popen(
        die_with_parent.command([*command, "--workers", "1"], "tree"),
        env={**SMALL, **os.environ, **dict.fromkeys(uris, uri.reveal())},
    )

    def end(number: int, frame: FrameType | None) -> None:
        process.terminate()  # it ends all others, and then this process has nothing to wait for

    signal.signal(signal.SIGTERM, end)
    server = f"http://{HOST}:{port}"
    where = f"/{known.experiment_id}/runs" if known is not None else ""
    page = f"{server}/#/experiments{where}?{MODEL_TRAINING}"
    if browser:
        threading.Thread(target=_open_when_there, args=(server, page, process), daemon=True).start()
    print(f"MLflow is starting at {page} Ctrl-C ends it.", flush=True)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        raise


def can_open_browser() -> bool:
    """Whether a person sits at this machine: not in a pipe, and not on a machine without screen,
    where Python would open a browser for text.
    """
    screen = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    )
    return screen and sys.stdout.isatty()


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as e:
            raise RootstockError(
                f"--port {port}: MLflow cannot listen there ({e}). Choose another one:"
                f" rootstock ui SPEC --port {port + 1}"
            ) from e


def _open_when_there(server: str, page: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + LONGEST_START_S
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{server}/health", timeout=5).close()
            webbrowser.open(page)
            return
        time.sleep(0.2)
