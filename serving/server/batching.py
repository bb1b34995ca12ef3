"""Run simultaneous requests together: fewer, larger runs of the model.

While a run is in progress, requests for the same outputs queue up; the next run takes them
together. So a single client never waits for others. With `wait_ms`, a run that is not full waits
that long for more requests.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from threading import Condition

import numpy as np

from serving.wire.errors import Code, ServingError

Arrays = Sequence[np.ndarray]
Run = Callable[[Arrays], Arrays]


@dataclass(frozen=True)
class Batching:
    """rows: per batch, at most. A request with as many rows runs at once and alone.

    wait_ms: how long a batch waits for more requests. queue: how many rows may wait; further
    requests are refused. runs: how many batches run at the same time.
    """

    rows: int = 32
    wait_ms: float = 0.0
    queue: int = 1024
    runs: int = 1


@dataclass
class _Request:
    inputs: Arrays
    rows: int
    arrived: float
    taken: bool = False
    outputs: Arrays | None = None
    error: ServingError | None = None

    @property
    def done(self) -> bool:
        return self.outputs is not None or self.error is not None


@dataclass
class _Queue:
    waiting: deque[_Request] = field(default_factory=deque)
    rows: int = 0
    running: int = 0


class Batcher:
    """Batches the runs of models. Safe to use from many threads.

    It has no thread of its own: one of the threads that wait runs the batch for all of them.
    """

    def __init__(
        self, options: Batching, count_batch: Callable[[int], None] = lambda rows: None
    ) -> None:
        """count_batch: is called with the rows of each batch."""
        self._options, self._count_batch = options, count_batch
        self._queues: dict[Hashable, _Queue] = {}
        self._changed = Condition()

    def __call__(self, key: Hashable, inputs: Arrays, run: Run) -> Arrays:
        """The outputs of `run(inputs)`, run alone or together with others of the same key.

        key: requests with equal keys have the same `run` and equal shapes except for the first
            axis.

        Raises:
            ServingError: UNAVAILABLE if the queue is full; otherwise the error of `run`.
        """
        rows = len(inputs[0])
        if rows >= self._options.rows:
            self._count_batch(rows)
            return run(inputs)
        request = _Request(inputs, rows, time.monotonic())
        with self._changed:
            queue = self._queues.setdefault(key, _Queue())
            if queue.waiting and queue.rows + rows > self._options.queue:
                message = "The batch scheduling queue to which this task was submitted is full"
                raise ServingError(Code.UNAVAILABLE, message)
            queue.waiting.append(request)
            queue.rows += rows
            self._changed.notify_all()
            while not request.done:
                if not request.taken and self._may_run(queue):
                    batch = self._take(queue)
                    queue.running += 1
                    self._changed.release()
                    try:
                        self._run_batch(batch, run)
                    finally:
                        _fail_unfinished(batch)
                        self._changed.acquire()
                        queue.running -= 1
                        self._changed.notify_all()
                else:
                    self._changed.wait(None if request.taken else self._timeout(queue))
            if not queue.waiting and not queue.running and self._queues.get(key) is queue:
                del self._queues[key]
        if request.error is not None:
            raise request.error
        assert request.outputs is not None
        return request.outputs

    def _may_run(self, queue: _Queue) -> bool:
        if not queue.waiting or queue.running >= self._options.runs:
            return False
        return queue.rows >= self._options.rows or self._time_left(queue) <= 0

    def _time_left(self, queue: _Queue) -> float:
        """Seconds that the first request of the queue still waits for others."""
        return queue.waiting[0].arrived + self._options.wait_ms / 1e3 - time.monotonic()

    def _timeout(self, queue: _Queue) -> float | None:
        if queue.running >= self._options.runs or not queue.waiting:
            return None
        return max(self._time_left(queue), 0.0)

    def _take(self, queue: _Queue) -> list[_Request]:
        batch: list[_Request] = []
        rows = 0
        while queue.waiting and (not batch or rows + queue.waiting[0].rows <= self._options.rows):
            request = queue.waiting.popleft()
            request.taken = True
            rows += request.rows
            batch.append(request)
        queue.rows -= rows
        return batch

    def _run_batch(self, batch: Sequence[_Request], run: Run) -> None:
        """Run a batch. If that fails, run each request alone, so that only the bad ones fail."""
        rows = sum(request.rows for request in batch)
        self._count_batch(rows)
        try:
            if len(batch) > 1:
                columns = zip(*(request.inputs for request in batch), strict=True)
                outputs = run([np.concatenate(parts) for parts in columns])
            else:
                outputs = run(batch[0].inputs)
        except ServingError as error:
            if len(batch) > 1:
                self._run_each(batch, run)
            else:
                batch[0].error = error
            return
        except BaseException as error:
            for request in batch:
                request.error = ServingError(Code.INTERNAL, repr(error))
            raise
        if len(batch) > 1 and any(len(output) != rows for output in outputs):
            self._run_each(batch, run)  # the first axis of an output is no batch axis
            return
        ends = np.cumsum([request.rows for request in batch])[:-1]
        parts = zip(*(np.split(output, ends) for output in outputs), strict=True)
        for request, part in zip(batch, parts, strict=True):
            request.outputs = list(part)

    def _run_each(self, batch: Sequence[_Request], run: Run) -> None:
        for request in batch:
            self._run_batch([request], run)


def _fail_unfinished(batch: Sequence[_Request]) -> None:
    """Let no request wait for ever, whatever happened to its batch."""
    for request in batch:
        if not request.done:
            request.error = ServingError(Code.INTERNAL, "The batch of this request failed.")
