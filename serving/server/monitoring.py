"""Metrics of the server in Prometheus's text format, under TF Serving's names."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import accumulate
from threading import Lock
from typing import Literal

from prometheus_client import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.wire.errors import Code
from serving.wire.names import REQUEST_COUNT, REQUEST_LATENCY

BOUNDS = tuple(10 * 1.8**i for i in range(33))
"""Upper bounds of TF Serving's histogram buckets. Latencies are in microseconds."""
_BUCKETS = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")
_LOADS = ":tensorflow:serving:load_attempt_count"
_LOAD_LATENCY = ":tensorflow:serving:load_latency"
_BATCH_SIZE = ":tensorflow:serving:batching_session:processed_batch_size"
_COUNTER_NAME = re.compile(r"^((?:# \w+ )?[\w:]+)_total(?=[ {])", re.MULTILINE)


class _Histogram:
    def __init__(self) -> None:
        self.counts, self.total = [0] * len(_BUCKETS), 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(BOUNDS, value)] += 1
        self.total += value


Counts = Counter[tuple[str, ...]]
Histograms = defaultdict[tuple[str, ...], _Histogram]
"""By the values of the labels."""


class Monitoring(Collector):
    """Counts what the server has done since it started. Safe to use from many threads.

    A request takes one short lock. `prometheus_client` writes the text; its own counters and
    histograms would take several locks for each request.
    """

    def __init__(self) -> None:
        self._requests, self._loads = Counts(), Counts()
        self._latencies, self._load_latencies = Histograms(_Histogram), Histograms(_Histogram)
        self._batch_sizes = Histograms(_Histogram)
        self._lock = Lock()

    def count_request(
        self, model: str, api: str, entry: Literal["REST", "GRPC"], code: Code, seconds: float
    ) -> None:
        """Count a response. model: empty if the request named no model that is served."""
        with self._lock:
            self._requests[model, code.name] += 1
            self._latencies[model, api, entry].add(seconds * 1e6)

    def count_load(self, model: str, code: Code, seconds: float) -> None:
        with self._lock:
            self._loads[model, code.name] += 1
            self._load_latencies[(model,)].add(seconds * 1e6)

    def count_batch(self, rows: int) -> None:
        with self._lock:
            self._batch_sizes[()].add(rows)

    def text(self) -> str:
        text = generate_latest(self).decode()
        return _COUNTER_NAME.sub(r"\1", text)  # the library adds `_total`; TF Serving does not

    def collect(self) -> list[Metric]:
        """All metrics that have a value, for `prometheus_client`."""
        status, where = ("model_name", "status"), ("model_name", "API", "entrypoint")
        with self._lock:
            metrics = [
                _counters(REQUEST_COUNT, "Requests.", status, self._requests),
                _counters(_LOADS, "Attempts to load.", status, self._loads),
                _histograms(REQUEST_LATENCY, "Microseconds.", where, self._latencies),
                _histograms(_LOAD_LATENCY, "Microseconds.", where[:1], self._load_latencies),
                _histograms(_BATCH_SIZE, "Rows.", (), self._batch_sizes),
            ]
        return [metric for metric in metrics if metric.samples]


def _counters(name: str, unit: str, labels: tuple[str, ...], counts: Counts) -> Metric:
    family = CounterMetricFamily(name, unit, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family


def _histograms(
    name: str, unit: str, labels: tuple[str, ...], histograms: Mapping[tuple[str, ...], _Histogram]
) -> Metric:
    family = HistogramMetricFamily(name, unit, labels=labels)
    for values, histogram in sorted(histograms.items(), key=lambda item: item[0]):
        buckets = list(zip(_BUCKETS, accumulate(histogram.counts), strict=True))
        family.add_metric(values, buckets, histogram.total)
    return family
