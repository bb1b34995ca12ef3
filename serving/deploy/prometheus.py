"""What Prometheus scrapes, and when it should wake somebody."""

from __future__ import annotations

import yaml

from serving.deploy.tf_serving import METRICS, REST_PORT

REQUESTS = ":tensorflow:serving:request_count"
LATENCY = ":tensorflow:serving:request_latency"


def config() -> str:
    """`prometheus.yml`."""
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "10s", "evaluation_interval": "10s"},
            "rule_files": ["alerts.yml"],
            "scrape_configs": [
                {
                    "job_name": "serving",
                    "metrics_path": METRICS,
                    "static_configs": [{"targets": [f"serving:{REST_PORT}"]}],
                }
            ],
        },
        sort_keys=False,
    )


def alerts(model: str) -> str:
    """Rules: the server is down, more than one request in a hundred fails, answers are slow."""
    return yaml.safe_dump(
        {
            "groups": [
                {
                    "name": model,
                    "rules": [
                        _rule("ServerDown", 'up{job="serving"} == 0', "The model server is down."),
                        _rule(
                            "RequestsFail",
                            f"{failing(model)} > 0.01",
                            "More than one request in a hundred fails.",
                        ),
                        _rule(
                            "SlowAnswers",
                            f"{quantile(model, 0.99)} > 1",
                            "One answer in a hundred takes more than a second.",
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
    return f'sum by (status) (rate({{__name__="{REQUESTS}",model_name="{model}"}}[1m]))'


def failing(model: str) -> str:
    """The share of requests that fail."""
    every = f'__name__="{REQUESTS}",model_name="{model}"'
    return f'sum(rate({{{every},status!="OK"}}[5m])) / sum(rate({{{every}}}[5m]))'


def quantile(model: str, share: float) -> str:
    """Seconds within which this share of requests is answered."""
    name = f'__name__="{LATENCY}_bucket",model_name="{model}"'
    return f"histogram_quantile({share}, sum by (le) (rate({{{name}}}[5m]))) / 1e6"


def _rule(name: str, expression: str, summary: str) -> dict[str, object]:
    return {
        "alert": name,
        "expr": expression,
        "for": "2m",
        "labels": {"severity": "page"},
        "annotations": {"summary": summary},
    }
