"""The configuration of Prometheus: what to scrape, and when to alert."""

from __future__ import annotations

import yaml

from serving.deploy.tf_serving import REST_PORT
from serving.wire.names import METRICS_PATH, REQUEST_COUNT, REQUEST_LATENCY


def config() -> str:
    """`prometheus.yml`."""
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "10s", "evaluation_interval": "10s"},
            "rule_files": ["alerts.yml"],
            "scrape_configs": [
                {
                    "job_name": "serving",
                    "metrics_path": METRICS_PATH,
                    "static_configs": [{"targets": [f"serving:{REST_PORT}"]}],
                }
            ],
        },
        sort_keys=False,
    )


def alerts(model: str) -> str:
    """The alert rules: a server is down, over 1 % of the requests fail, responses are slow."""
    return yaml.safe_dump(
        {
            "groups": [
                {
                    "name": model,
                    "rules": [
                        _rule("ServerDown", 'up{job="serving"} == 0', "The model server is down."),
                        _rule(
                            "RequestsFail",
                            f"{failure_rate(model)} > 0.01",
                            "More than 1 % of the requests fail.",
                        ),
                        _rule(
                            "SlowResponses",
                            f"{quantile(model, 0.99)} > 1",
                            "The slowest 1 % of the requests take more than a second.",
                        ),
                    ],
                }
            ]
        },
        sort_keys=False,
        width=200,
    )


def rate(model: str) -> str:
    """Requests per second, by status."""
    return f'sum by (status) (rate({{__name__="{REQUEST_COUNT}",model_name="{model}"}}[1m]))'


def failure_rate(model: str) -> str:
    """The share of failed requests."""
    requests = f'__name__="{REQUEST_COUNT}",model_name="{model}"'
    return f'sum(rate({{{requests},status!="OK"}}[5m])) / sum(rate({{{requests}}}[5m]))'


def quantile(model: str, share: float) -> str:
    """The latency in seconds that this share of the requests does not exceed."""
    name = f'__name__="{REQUEST_LATENCY}_bucket",model_name="{model}"'
    return f"histogram_quantile({share}, sum by (le) (rate({{{name}}}[5m]))) / 1e6"


def _rule(name: str, expression: str, summary: str) -> dict[str, object]:
    return {
        "alert": name,
        "expr": expression,
        "for": "2m",
        "labels": {"severity": "page"},
        "annotations": {"summary": summary},
    }
