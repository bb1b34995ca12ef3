"""Who the workers of a training are, and what happens if one of them is not there."""

from __future__ import annotations

import json
import socket

import pytest

from components.errors import RootstockError
from components.training import workers
from components.training.workers import TF_CONFIG, Workers, environment_of, workers_from


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def config(cluster: object, kind: object = "worker", index: object = 0) -> dict[str, str]:
    return {TF_CONFIG: json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_one_process_trains_alone() -> None:
    for environment in ({}, {TF_CONFIG: ""}, {TF_CONFIG: "{}"}, config({"worker": ["a:1"]})):
        assert workers_from(environment) is None


def test_the_first_worker_or_the_chief_runs_the_pipeline() -> None:
    both = Workers(("a:1", "b:2"), 1)
    assert workers_from(environment_of(both.addresses, 1)) == both
    assert workers_from(config({"chief": ["a:1"], "worker": ["b:2"]})) == both
    chief = workers_from(config({"chief": ["a:1"], "worker": ["b:2"]}, "chief"))
    assert chief is not None
    assert chief.is_chief
    assert (both.is_chief, both.chief) == (False, "a:1")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({TF_CONFIG: "{"}, "cannot be read"),
        ({TF_CONFIG: "[]"}, "cannot be read"),
        (config(["a:1"]), "cannot be read"),
        (config({"worker": ["a:1", "b:2"], "ps": ["c:3"]}), "'ps' has no part in training"),
        (config({"worker": ["a:1", "b:2"]}, index=2), "'worker' number 2"),
        (config({"worker": ["a:1", "b:2"]}, index="0"), "number '0'"),
        (config({"worker": ["a:1", "b:2"]}, "evaluator"), "'evaluator' number 0"),
        (config({"worker": ["a:1", "a:1"]}), "twice"),
        (config({"worker": ["a", "b:2"]}), "'a' is not host:port"),
        (config({"worker": ["a:x", "b:2"]}), "'a:x' is not host:port"),
        (config({"worker": ["a:70000", "b:2"]}), "'a:70000' is not host:port"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(environment: dict[str, str], message: str) -> None:
    with pytest.raises(RootstockError, match=message) as caught:
        workers_from(environment)
    assert str(caught.value).startswith(TF_CONFIG)
    assert "\n" not in str(caught.value)


def test_a_worker_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "WAIT_FOR_WORKERS_S", 0.1)
    own, other = free_address(), free_address()
    with pytest.raises(RootstockError, match=f"no answer from {other} within"):
        Workers((own, other), 0).join()


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        own = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(RootstockError, match="cannot listen on port"):
            Workers((own, free_address()), 0).join()


def test_a_worker_knows_whether_the_chief_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        chief = f"127.0.0.1:{listener.getsockname()[1]}"
        assert Workers((chief, free_address()), 1).chief_answers()
    assert not Workers((chief, free_address()), 1).chief_answers()
