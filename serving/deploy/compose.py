"""Docker Compose files: TF Serving with Prometheus and Grafana, reachable from this machine only.

On CPU: `docker compose up`. On a GPU: `docker compose -f compose.yaml -f compose.gpu.yaml up`.
"""

from __future__ import annotations

from typing import Any

import yaml

from serving.deploy.tf_serving import CONFIG_DIRECTORY, GRPC_PORT, REST_PORT, arguments


def base(model: str, directory: str, image: str) -> str:
    """The file for CPU. directory: the versions of the model, on this machine."""
    request = f"GET /v1/models/{model} HTTP/1.0\\r\\n\\r\\n"
    healthy = (
        f"exec 3<>/dev/tcp/127.0.0.1/{REST_PORT} && printf '{request}' >&3 && grep -q AVAILABLE <&3"
    )
    return _yaml(
        {
            "services": {
                "serving": {
                    "image": image,
                    "command": arguments(),
                    "ports": [f"127.0.0.1:{p}:{p}" for p in (REST_PORT, GRPC_PORT)],
                    "volumes": [
                        f"{directory}:/models/{model}:ro",
                        f"./config:{CONFIG_DIRECTORY}:ro",
                    ],
                    "healthcheck": {
                        "test": ["CMD", "bash", "-c", healthy],
                        "interval": "10s",
                        "timeout": "5s",
                        "start_period": "120s",
                    },
                    "restart": "unless-stopped",
                },
                "prometheus": {
                    "image": "prom/prometheus",
                    "ports": ["127.0.0.1:9090:9090"],
                    "volumes": ["./prometheus:/etc/prometheus:ro"],
                    "restart": "unless-stopped",
                },
                "grafana": {
                    "image": "grafana/grafana",
                    "ports": ["127.0.0.1:3000:3000"],
                    "volumes": [
                        "./grafana/provisioning:/etc/grafana/provisioning:ro",
                        "./grafana/dashboards:/var/lib/grafana/dashboards:ro",
                    ],
                    "restart": "unless-stopped",
                },
            }
        }
    )


def gpu(image: str) -> str:
    """The additions to the file for CPU that a GPU needs."""
    devices = [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    return _yaml(
        {
            "services": {
                "serving": {
                    "image": image,
                    "environment": {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
                    "deploy": {"resources": {"reservations": {"devices": devices}}},
                }
            }
        }
    )


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, width=100)
