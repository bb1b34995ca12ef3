"""What Prometheus scrapes and alerts on exists in the metrics of the server."""

import json
import re
from pathlib import Path

import yaml

from serving.server.monitoring import BOUNDS, Monitoring
from serving.wire.errors import Code
from serving.wire.names import METRICS_PATH


def test_queries_use_existing_metrics(kit: Path, model: str) -> None:
    config = yaml.safe_load((kit / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    assert job["metrics_path"] == METRICS_PATH
    assert (kit / "prometheus" / config["rule_files"][0]).exists()
    monitoring = Monitoring()
    monitoring.count_request(model, "Predict", "REST", Code.OK, BOUNDS[3] / 1e6)
    text = monitoring.text()
    (group,) = yaml.safe_load((kit / "prometheus" / "alerts.yml").read_text())["groups"]
    expressions = [rule["expr"] for rule in group["rules"]]
    dashboard = json.loads((kit / "grafana" / "dashboards" / "model.json").read_text())
    expressions += [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    names = {name for e in expressions for name in re.findall(r'__name__="([^"]+)"', e)}
    assert len(names) == 2
    assert all(f"\n{name}{{" in text for name in names)
    for expression in expressions:
        assert has_balanced_brackets(expression), expression


def has_balanced_brackets(expression: str) -> bool:
    return all(expression.count(a) == expression.count(b) for a, b in ("()", "{}", "[]"))
