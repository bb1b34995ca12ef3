"""A server in another process; see tests/integration for one that serves."""

from pathlib import Path

import pytest

from serving.server.launch import ServerExited, ServerProcess


def test_a_server_that_ends_early_is_explained(tmp_path: Path) -> None:
    with ServerProcess({}, tmp_path / "log") as server:
        with pytest.raises(ServerExited, match=r"exit code 2(?s:.*)give --model") as caught:
            server.wait(60)
        assert caught.value.code == 2
        assert "give --model" in server.log_tail(1)


def test_a_server_that_is_not_ready_in_time_is_explained(tmp_path: Path) -> None:
    with (
        ServerProcess({"m": tmp_path}, tmp_path / "log") as server,
        pytest.raises(TimeoutError, match=r"not ready after 0.01 s"),
    ):
        server.wait(0.01)
    assert server.process.returncode is not None
