"""A server and a push destination with odd directory names: health, gRPC, REST and pushes agree."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from serving.client.client import Client
from serving.server.launch import ServerProcess
from serving.versions.directory import Directory
from serving.versions.history import LARGEST_VERSION
from tests.tf_serving.models import write_half_plus_two

ODD = ("9" * 20, str(LARGEST_VERSION + 1), "9" * 200, "-1", "1.5", "²", "1e3", ".9", "a")


@pytest.mark.slow
def test_odd_names_beside_a_version_change_nothing(tmp_path: Path) -> None:
    base, log = tmp_path / "models" / "m", tmp_path / "log"
    for name in ODD:
        (base / name).mkdir(parents=True)
    write_half_plus_two(base / "00000123")
    server = ServerProcess({"m": base}, log)
    try:
        ports = server.wait(120)
        health = urllib.request.urlopen(f"http://127.0.0.1:{ports['rest']}/health", timeout=30)
        assert json.load(health) == {"status": "ok"}
        for url in (f"http://127.0.0.1:{ports['rest']}", f"grpc://127.0.0.1:{ports['grpc']}"):
            with Client(url, "m") as client:
                assert [(v.version, v.state) for v in client.status()] == [(123, "AVAILABLE")]
                assert client.predict({"x": [2.0]})["y"].tolist() == [3.0]
        assert f"{base / ('9' * 20)} is ignored" in server.log_tail(100)
    finally:
        server.stop()
    place = Directory(tmp_path / "models")
    assert place.push("m", base / "00000123", "digest") == 124
    assert list(place.history("m")) == [123, 124]
    assert place.rollback("m", to=123) == (125, 123)
