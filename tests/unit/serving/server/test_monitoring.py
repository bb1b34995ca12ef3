"""Metrics: TF Serving's names, labels, buckets and values."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.server.monitoring import BOUNDS, Monitoring
from serving.wire.errors import Code

PREFIX = ":tensorflow:serving:"


def samples(monitoring: Monitoring) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Labels and values by name, read line by line: the parser renames counter families."""
    metrics: dict[str, list[tuple[dict[str, str], float]]] = {}
    for line in monitoring.text().splitlines():
        if not line.startswith("#"):
            (family,) = text_string_to_metric_families(line)
            (sample,) = family.samples
            name = sample.name.removeprefix(PREFIX)
            metrics.setdefault(name, []).append((sample.labels, sample.value))
    return metrics


def test_a_new_server_has_no_metrics() -> None:
    assert Monitoring().text() == ""


def test_requests_are_counted_by_model_and_status() -> None:
    monitoring = Monitoring()
    for code in (Code.OK, Code.OK, Code.NOT_FOUND):
        monitoring.count_request("m", "Predict", "REST", code, 0.001)
    assert samples(monitoring)["request_count"] == [
        ({"model_name": "m", "status": "NOT_FOUND"}, 1),
        ({"model_name": "m", "status": "OK"}, 2),
    ]


def test_types_are_declared_under_the_plain_names() -> None:
    monitoring = Monitoring()
    monitoring.count_request("m", "Predict", "REST", Code.OK, 0.001)
    monitoring.count_load("m", Code.INTERNAL, 2.0)
    monitoring.count_batch(3)
    types = {line for line in monitoring.text().splitlines() if line.startswith("# TYPE")}
    assert types == {
        f"# TYPE {PREFIX}request_count counter",
        f"# TYPE {PREFIX}request_latency histogram",
        f"# TYPE {PREFIX}load_attempt_count counter",
        f"# TYPE {PREFIX}load_latency histogram",
        f"# TYPE {PREFIX}batching_session:processed_batch_size histogram",
    }


def test_latencies_fall_into_tf_servings_buckets() -> None:
    monitoring = Monitoring()
    for microseconds in (5, 10, 11, 1e12):
        monitoring.count_request("m", "Predict", "GRPC", Code.OK, microseconds / 1e6)
    metrics = samples(monitoring)
    where = {"model_name": "m", "API": "Predict", "entrypoint": "GRPC"}
    buckets = metrics["request_latency_bucket"]
    assert [labels["le"] for labels, _ in buckets[:4]] == ["10", "18", "32.4", "58.32"]
    assert [labels["le"] for labels, _ in buckets[-2:]] == [f"{BOUNDS[-1]:g}", "+Inf"]
    assert len(buckets) == 34
    assert all(labels.items() > where.items() for labels, _ in buckets)
    assert [count for _, count in buckets] == [2, *[3] * 32, 4]
    assert metrics["request_latency_count"] == [(where, 4)]
    assert metrics["request_latency_sum"] == [(where, pytest.approx(1e12 + 26))]


def test_loads_and_batches() -> None:
    monitoring = Monitoring()
    monitoring.count_load("m", Code.INTERNAL, 2.0)
    monitoring.count_batch(3)
    monitoring.count_batch(4)
    metrics = samples(monitoring)
    status = {"model_name": "m", "status": "INTERNAL"}
    assert metrics["load_attempt_count"] == [(status, 1)]
    assert metrics["load_latency_sum"] == [({"model_name": "m"}, 2e6)]
    assert metrics["batching_session:processed_batch_size_count"] == [({}, 2)]
    assert metrics["batching_session:processed_batch_size_sum"] == [({}, 7)]


@pytest.mark.parametrize("name", ['a"b\\c\nd', "request_count_total{", "ä"])
def test_any_model_name_can_be_a_label(name: str) -> None:
    monitoring = Monitoring()
    monitoring.count_request(name, "Predict", "REST", Code.OK, 0.001)
    assert samples(monitoring)["request_count"] == [({"model_name": name, "status": "OK"}, 1)]


def test_simultaneous_requests_are_all_counted() -> None:
    monitoring = Monitoring()

    def count(_: int) -> None:
        for _ in range(500):
            monitoring.count_request("m", "Predict", "REST", Code.OK, 0.001)
        monitoring.text()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert samples(monitoring)["request_count"][0][1] == 2000
