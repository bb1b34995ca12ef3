"""Simultaneous requests run together, and each gets its own outputs."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from serving.server.batching import Batcher, Batching
from serving.wire.errors import Code, ServingError, invalid


class Model:
    """Doubles its rows; negative ones are an error. Runs wait until `go` is set."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        self.sizes.append(len(arrays[0]))
        assert self.go.wait(10)
        if (arrays[0] < 0).any():
            raise invalid("negative")
        return [2 * arrays[0], np.arange(len(arrays[0]))[:, None] * 0 + arrays[0][:, None]]


def ask(batcher: Batcher, model: Model, *values: float) -> list[float]:
    x = np.array(values)
    doubled, same = batcher("key", [x], model)
    assert (same[:, 0] == x).all()
    return list(doubled)


def wait_for(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_lone_request_runs_at_once() -> None:
    model = Model()
    assert ask(Batcher(Batching(rows=100)), model, 1, 2) == [2, 4]
    assert model.sizes == [2]


def test_requests_during_a_run_go_together_in_the_next_ones() -> None:
    model, batched = Model(), []
    batcher = Batcher(Batching(rows=4), batched.append)
    model.go.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask, batcher, model, 1)
        wait_for(lambda: model.sizes == [1])
        others = [pool.submit(ask, batcher, model, i, i) for i in range(2, 7)]
        wait_for(lambda: batcher._queues["key"].rows == 10)
        model.go.set()
        assert first.result() == [2]
        assert [f.result() for f in others] == [[2 * i, 2 * i] for i in range(2, 7)]
    assert model.sizes == [1, 4, 4, 2] == batched
    assert batcher._queues == {}


def test_a_request_larger_than_a_batch_runs_alone() -> None:
    model = Model()
    assert len(ask(Batcher(Batching(rows=2)), model, *range(5))) == 5
    assert model.sizes == [5]


def test_a_run_may_wait_for_more_requests() -> None:
    model = Model()
    batcher = Batcher(Batching(rows=3, wait_ms=5000))
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda i: ask(batcher, model, i), range(3))) == [[0], [2], [4]]
    assert model.sizes == [3]  # full, so it did not wait to the end


def test_only_the_bad_request_of_a_batch_fails() -> None:
    model = Model()
    batcher = Batcher(Batching(rows=3, wait_ms=5000))

    def one(value: float) -> object:
        try:
            return ask(batcher, model, value)
        except ServingError as error:
            return error.code

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(one, [1, -1, 3])) == [[2], Code.INVALID_ARGUMENT, [6]]


def test_a_full_queue_refuses() -> None:
    model = Model()
    model.go.clear()
    batcher = Batcher(Batching(rows=2, queue=2))
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, batcher, model, 1)
        wait_for(lambda: model.sizes == [1])
        second = pool.submit(ask, batcher, model, 2)
        wait_for(lambda: batcher._queues["key"].rows == 1)
        third = pool.submit(ask, batcher, model, 3)
        wait_for(lambda: batcher._queues["key"].rows == 2)
        with pytest.raises(ServingError, match="UNAVAILABLE: The batch scheduling queue"):
            ask(batcher, model, 4)
        model.go.set()
        assert (first.result(), second.result(), third.result()) == ([2], [4], [6])


def test_an_exception_fails_the_whole_batch_but_not_the_next_one() -> None:
    batcher = Batcher(Batching(rows=2, wait_ms=5000))

    def broken(arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        raise RuntimeError("a fault")

    def one(value: float) -> str:
        try:
            batcher("key", [np.array([value])], broken)
        except (RuntimeError, ServingError) as error:
            return str(error)
        return "no error"

    with ThreadPoolExecutor(2) as pool:
        assert all("a fault" in message for message in pool.map(one, [1, 2]))
    assert ask(batcher, Model(), 1, 2) == [2, 4]


def test_requests_run_alone_if_an_output_has_no_batch_axis() -> None:
    batcher = Batcher(Batching(rows=2, wait_ms=5000))

    def total(arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        return [arrays[0].sum(keepdims=True) * np.ones(3)]

    with ThreadPoolExecutor(2) as pool:
        outputs = list(
            pool.map(lambda v: batcher("k", [np.array([v])], total)[0].tolist(), [1.0, 2.0])
        )
    assert outputs == [[1.0] * 3, [2.0] * 3]
