"""Malformed requests: reproducible and of many kinds."""

import time

import numpy as np
import pytest

from serving.checks.malformed import MalformedRequests

INPUTS = {"age": np.float32([1, 2]), "text": np.array([b"a", b"\xff"], object)}


def test_the_same_seed_makes_the_same_requests_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, other = (MalformedRequests("m", INPUTS, seed) for seed in (0, 0, 1))
    requests = [first.next() for _ in range(200)]
    monkeypatch.setattr(time, "time", lambda: 1.0)
    assert [second.next() for _ in range(200)] == requests
    assert [other.next() for _ in range(200)] != requests


def test_there_are_many_kinds_for_both_protocols() -> None:
    generator = MalformedRequests("m", INPUTS, 0)
    requests = [generator.next() for _ in range(2000)]
    assert len({request.kind for request in requests}) >= 10
    assert any(len(request.body) > 1_000_000 for request in requests)
    over_grpc = [request for request in requests if not request.path]
    assert 0.2 < len(over_grpc) / len(requests) < 0.6
    assert all(request.method.startswith("/tensorflow.serving.") for request in over_grpc)
