"""A Grafana dashboard of one model, and the files that make Grafana find it."""

from __future__ import annotations

import json
from typing import Any

import yaml

from serving.deploy import prometheus

_SOURCE = {"type": "prometheus", "uid": "prometheus"}


def data_source() -> str:
    """The provisioning file of the data source."""
    source = {
        "name": "Prometheus",
        "uid": _SOURCE["uid"],
        "type": "prometheus",
        "access": "proxy",
        "url": "http://prometheus:9090",
        "isDefault": True,
    }
    return yaml.safe_dump({"apiVersion": 1, "datasources": [source]}, sort_keys=False)


def provider() -> str:
    """The provisioning file of the dashboards' directory."""
    provider = {
        "name": "models",
        "type": "file",
        "options": {"path": "/var/lib/grafana/dashboards"},
    }
    return yaml.safe_dump({"apiVersion": 1, "providers": [provider]}, sort_keys=False)


def dashboard(model: str) -> str:
    """The dashboard: requests by status, failures, latency, servers."""
    latencies = [(prometheus.quantile(model, q), f"p{100 * q:g}") for q in (0.5, 0.9, 0.99)]
    failures = [(prometheus.failure_rate(model), "failed")]
    panels = [
        _panel(0, "Requests per second", "reqps", [(prometheus.rate(model), "{{status}}")]),
        _panel(1, "Share of failed requests", "percentunit", failures),
        _panel(2, "Latency", "s", latencies),
        _panel(3, "Server", "short", [('up{job="serving"}', "{{instance}}")]),
    ]
    return json.dumps(
        {
            "uid": f"model-{model}"[:40],
            "title": f"Model {model}",
            "schemaVersion": 39,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "panels": panels,
        },
        indent=2,
    )


def _panel(position: int, title: str, unit: str, queries: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "id": position + 1,
        "type": "timeseries",
        "title": title,
        "datasource": _SOURCE,
        "gridPos": {"x": 12 * (position % 2), "y": 8 * (position // 2), "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + i), "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for i, (query, legend) in enumerate(queries)
        ],
    }
