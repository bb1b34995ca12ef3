"""Samples the load of the machine every few seconds during a run."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psutil

from pipeline.tracking.events import SystemSample, Tracker

EVERY_S = 5.0


@contextlib.contextmanager
def sampling(tracker: Tracker, every_s: float = EVERY_S) -> Iterator[None]:
    """Record processor, memory, disk and network load until the block ends."""
    done = threading.Event()
    thread = threading.Thread(target=_sample, args=(tracker, every_s, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _sample(tracker: Tracker, every_s: float, done: threading.Event) -> None:
    psutil.cpu_percent()  # the first call only sets the starting point
    network = psutil.net_io_counters()
    while not done.wait(every_s):
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(".")
        now = psutil.net_io_counters()
        values = {  # by MLflow's names, so that its UI shows them as system metrics
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / 1e6,
            "system_memory_usage_percentage": memory.percent,
            "disk_usage_percentage": disk.percent,
            "disk_usage_megabytes": disk.used / 1e6,
            "disk_available_megabytes": disk.free / 1e6,
            "network_receive_megabytes": (now.bytes_recv - network.bytes_recv) / 1e6,
            "network_transmit_megabytes": (now.bytes_sent - network.bytes_sent) / 1e6,
            "process_memory_megabytes": _process_memory() / 1e6,
        }
        tracker.record(SystemSample(values=values))


def _process_memory() -> int:
    """Resident bytes of this process and its children."""
    own = psutil.Process()
    total = 0
    for process in [own, *own.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total
