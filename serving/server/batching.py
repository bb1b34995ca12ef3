"""Runs requests that arrive together as one: fewer, larger runs of the model.

While a run is under way, requests for the same outputs queue up and go together in the next one, so
a lone client waits for nobody. `wait_ms` lets a run wait that long for more, if the rows are few.
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
    """rows: at most in one run; a request that has as many or more runs by itself, at once.

    wait_ms: for others to come. queue: rows waiting at most; more are refused. runs: of batches, at
    the same time.
    """

    rows: int = 32
    wait_ms: float = 0.0
    queue: int = 1024
    runs: int = 1


@dataclass
class _Waiting:
    arrays: Arrays
    rows: int
    since: float
    taken: bool = False
    answer: Arrays | None = None
    error: ServingError | None = None

    @property
    def done(self) -> bool:
        return self.answer is not None or self.error is not None


@dataclass
class _Queue:
    waiting: deque[_Waiting] = field(default_factory=deque)
    rows: int = 0
    running: int = 0


class Batcher:
    """Batches the runs of one model. Safe to use from many threads; one of those that wait runs."""

    def __init__(
        self, options: Batching, batched: Callable[[int], None] = lambda rows: None
    ) -> None:
        self._options, self._batched = options, batched
        self._queues: dict[Hashable, _Queue] = {}
        self._changed = Condition()

    def __call__(self, key: Hashable, arrays: Arrays, run: Run) -> Arrays:
        """`run(arrays)`, alone or together with others of the same key.

        key: what runs have in common: equal keys, equal `run`, equal shapes but for the first axis.

        Raises:
            ServingError: UNAVAILABLE where too many wait already, else what `run` raised.
        """
        rows = len(arrays[0])
        if rows >= self._options.rows:  # a batch by itself
            self._batched(rows)
            return run(arrays)
        mine = _Waiting(arrays, rows, time.monotonic())
        with self._changed:
            queue = self._queues.setdefault(key, _Queue())
            if queue.waiting and queue.rows + rows > self._options.queue:
                raise ServingError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full",
                )
            queue.waiting.append(mine)
            queue.rows += rows
            self._changed.notify_all()
            while not mine.done:
                if not mine.taken and self._ready(queue):
                    batch = self._take(queue)
                    queue.running += 1
                    self._changed.release()
                    try:
                        self._answer(batch, run)
                    finally:
                        _end(batch)
                        self._changed.acquire()
                        queue.running -= 1
                        self._changed.notify_all()
                else:
                    self._changed.wait(None if mine.taken else self._patience(queue))
            if not queue.waiting and not queue.running and self._queues.get(key) is queue:
                del self._queues[key]
        if mine.error is not None:
            raise mine.error
        assert mine.answer is not None
        return mine.answer

    def _ready(self, queue: _Queue) -> bool:
        if not queue.waiting or queue.running >= self._options.runs:
            return False
        return queue.rows >= self._options.rows or self._left(queue) <= 0

    def _left(self, queue: _Queue) -> float:
        """Seconds that the first request may still wait for others."""
        return queue.waiting[0].since + self._options.wait_ms / 1e3 - time.monotonic()

    def _patience(self, queue: _Queue) -> float | None:
        if queue.running >= self._options.runs or not queue.waiting:
            return None
        return max(self._left(queue), 0.0)

    def _take(self, queue: _Queue) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while queue.waiting and (not batch or rows + queue.waiting[0].rows <= self._options.rows):
            request = queue.waiting.popleft()
            request.taken = True
            rows += request.rows
            batch.append(request)
        queue.rows -= rows
        return batch

    def _answer(self, batch: Sequence[_Waiting], run: Run) -> None:
        """Run a batch; where that fails, each request by itself, so that only the bad ones do."""
        rows = sum(request.rows for request in batch)
        self._batched(rows)
        try:
            columns = zip(*(request.arrays for request in batch), strict=True)
            answers = run(
                [np.concatenate(parts) for parts in columns] if len(batch) > 1 else batch[0].arrays
            )
        except ServingError as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for request in batch:
                self._answer([request], run)
            return
        except BaseException as error:
            for request in batch:
                request.error = ServingError(Code.INTERNAL, repr(error))
            raise
        if len(batch) > 1 and any(len(answer) != rows for answer in answers):
            for request in batch:  # the outputs' first axis is not that of the inputs after all
                self._answer([request], run)
            return
        ends = np.cumsum([request.rows for request in batch])[:-1]
        parts = zip(*(np.split(answer, ends) for answer in answers), strict=True)
        for request, part in zip(batch, parts, strict=True):
            request.answer = list(part)


def _end(batch: Sequence[_Waiting]) -> None:
    """Let no request wait for ever, whatever became of the batch that it was in."""
    for request in batch:
        if not request.done:
            request.error = ServingError(Code.INTERNAL, "The batch of this request failed.")
