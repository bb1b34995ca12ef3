import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.errors import RootstockError
from models.masked_url import MaskedUrl
from pipeline.operations import ui


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((ui.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RootstockError, match=f"--port {port}: .* --port {port + 1}"):
            ui.serve_ui(MaskedUrl(f"sqlite:///{tmp_path}/mlflow.db"), "fruit", port, browser=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("screen", "terminal", "opens"), [(":0", True, True), ("", True, False), (":0", False, False)]
)
def test_a_browser_opens_where_somebody_sees_it(
    screen: str, terminal: bool, opens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    assert ui.can_open_browser() is opens


def test_the_browser_waits_for_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, opened = iter([ConnectionRefusedError(), None]), list[str]()

    class Page:
        def close(self) -> None:
            opened.append("answered")

    def ask(url: str, timeout: float) -> Page:
        if error := next(answers):
            raise error
        return Page()

    monkeypatch.setattr(ui.urllib.request, "urlopen", ask)
    monkeypatch.setattr(ui.webbrowser, "open", opened.append)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as running:
        ui._open_when_there("http://here", "http://here/#/runs", running)
    assert opened == ["answered", "http://here/#/runs"]
