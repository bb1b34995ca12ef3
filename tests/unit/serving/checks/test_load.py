"""Measured load, against a server in this process."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from serving.checks.load import main, run


def test_latencies_and_failures_are_counted() -> None:
    @contextmanager
    def connect() -> Iterator[Callable[[], None]]:
        sent = 0

        def send() -> None:
            nonlocal sent
            sent += 1
            time.sleep(0.001)
            if sent == 2:
                raise OSError("refused")

        yield send

    load = run(connect, clients=2, rows=3, seconds=0.1)
    assert load.failures == 2  # the second request of each client
    assert 2 <= len(load.seconds) <= 200
    assert load.throughput == pytest.approx(3 * len(load.seconds) / load.duration)
    assert 1 <= load.percentile(0.5) <= load.percentile(0.99)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_the_command_prints_one_line_of_json(
    urls: dict[str, str], scheme: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [urls[scheme], "m", "--clients", "2", "--rows", "2", "--seconds", "0.2"]
    assert main(arguments) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["clients"], result["rows_per_request"], result["failures"]) == (2, 2, 0)
    assert result["rows_per_s"] > 0


def test_an_unknown_model_is_explained(
    urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([urls["http"], "nobody"]) == 2
    assert "Latest(nobody)" in capsys.readouterr().err
