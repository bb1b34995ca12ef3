"""A worker that is waited for."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any, cast

import pytest

from pipeline.auto import worker
from pipeline.auto.worker import Overdue, Worker


class Busy:
    """Stands for a process that never ends."""

    _processes = None

    def submit(self, *work: object) -> Future[None]:
        return Future()


def test_a_full_disk_meanwhile_does_not_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "TICK_S", 0.01)
    ticks = []

    def tick() -> None:
        ticks.append(1)
        raise OSError(28, "No space left on device")

    own = Worker(tick)
    own._pool = cast(Any, Busy())
    with pytest.raises(Overdue):
        own(print, until=time.monotonic() + 0.05)
    assert len(ticks) > 1
