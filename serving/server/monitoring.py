"""Counters and histograms of a server, in Prometheus' text format under TF Serving's names.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from threading import Lock
from typing import Literal

from serving.wire.errors import Code

PATH = "/monitoring/prometheus/metrics"
BOUNDS = tuple(10 * 1.8**i for i in range(33))
"""Upper bounds of latencies in microseconds: TF Serving's buckets."""

_REQUESTS = ":tensorflow:serving:request_count"
_LATENCY = ":tensorflow:serving:request_latency"
_LOADS = ":tensorflow:serving:load_attempt_count"
_LOAD_LATENCY = ":tensorflow:serving:load_latency"
_BATCHES = ":tensorflow:serving:batching_session:processed_batch_size"

Labels = tuple[tuple[str, str], ...]


class _Histogram:
    def __init__(self) -> None:
        self.counts, self.total = [0] * (len(BOUNDS) + 1), 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(BOUNDS, value)] += 1
        self.total += value


class Monitoring:
    """What a server has done since it started. Safe to use from many threads."""

    def __init__(self) -> None:
        self._counters: dict[tuple[str, Labels], int] = defaultdict(int)
        self._histograms: dict[tuple[str, Labels], _Histogram] = defaultdict(_Histogram)
        self._lock = Lock()

    def answered(
        self, model: str, api: str, entry: Literal["REST", "GRPC"], code: Code, seconds: float
    ) -> None:
        """A request was answered. model: empty where it named none that is served."""
        where = (("model_name", model), ("API", api), ("entrypoint", entry))
        with self._lock:
            self._counters[_REQUESTS, (("model_name", model), ("status", code.name))] += 1
            self._histograms[_LATENCY, where].add(seconds * 1e6)

    def loaded(self, model: str, code: Code, seconds: float) -> None:
        """A version was loaded, or was not."""
        with self._lock:
            self._counters[_LOADS, (("model_name", model), ("status", code.name))] += 1
            self._histograms[_LOAD_LATENCY, (("model_name", model),)].add(seconds * 1e6)

    def batched(self, rows: int) -> None:
        """Requests were run together."""
        with self._lock:
            self._histograms[_BATCHES, ()].add(rows)

    def text(self) -> str:
        """All of it, as Prometheus reads it."""
        with self._lock:
            return "\n".join([*self._lines(), ""])

    def _lines(self) -> Iterator[str]:
        for name in sorted({name for name, _ in self._counters}):
            yield f"# TYPE {name} counter"
            for (other, labels), count in sorted(self._counters.items()):
                if other == name:
                    yield f"{name}{_braced(labels)} {count}"
        for name in sorted({name for name, _ in self._histograms}):
            yield f"# TYPE {name} histogram"
            for (other, labels), histogram in sorted(self._histograms.items(), key=lambda i: i[0]):
                if other != name:
                    continue
                running = 0
                for bound, count in zip((*BOUNDS, "+Inf"), histogram.counts, strict=True):
                    running += count
                    le = bound if isinstance(bound, str) else f"{bound:g}"
                    yield f"{name}_bucket{_braced((*labels, ('le', le)))} {running}"
                yield f"{name}_sum{_braced(labels)} {histogram.total:g}"
                yield f"{name}_count{_braced(labels)} {running}"


def _braced(labels: Labels) -> str:
    told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
