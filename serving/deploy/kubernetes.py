"""Kubernetes manifests: configuration, model volume, deployment, service, autoscaling."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from serving.deploy.tf_serving import CONFIG_DIRECTORY, GRPC_PORT, REST_PORT, arguments
from serving.wire.names import METRICS_PATH

_LOAD_SECONDS = 300
"""How long a model may take to load before Kubernetes restarts its container."""


def manifests(model: str, image: str, config: Mapping[str, str], gpus: int) -> str:
    """All objects for one model; a volume holds its versions. For `kubectl apply -f`.

    gpus: per replica. The number of replicas follows the load of the CPUs, also with GPUs, whose
        load Kubernetes cannot see by itself.
    """
    name = _dns_label(model)
    labels = {"app": name}
    parts = [
        _object("v1", "ConfigMap", name, data=dict(config)),
        _object(
            "v1",
            "PersistentVolumeClaim",
            name,
            spec={
                "accessModes": ["ReadOnlyMany"],
                "resources": {"requests": {"storage": "10Gi"}},
            },
        ),
        _object(
            "apps/v1",
            "Deployment",
            name,
            spec={
                "selector": {"matchLabels": labels},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}},
                "template": {
                    "metadata": {"labels": labels, "annotations": _scrape_annotations()},
                    "spec": _pod(name, model, image, gpus),
                },
            },
        ),
        _object(
            "v1",
            "Service",
            name,
            spec={
                "selector": labels,
                "ports": [
                    {"name": "rest", "port": REST_PORT, "targetPort": "rest"},
                    {"name": "grpc", "port": GRPC_PORT, "targetPort": "grpc"},
                ],
            },
        ),
        _object(
            "policy/v1",
            "PodDisruptionBudget",
            name,
            spec={"minAvailable": 1, "selector": {"matchLabels": labels}},
        ),
        _object(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            name,
            spec={
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
                "minReplicas": 2,
                "maxReplicas": 10,
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "averageUtilization": 70},
                        },
                    }
                ],
            },
        ),
    ]
    return yaml.safe_dump_all(parts, sort_keys=False, width=100)


def _pod(name: str, model: str, image: str, gpus: int) -> dict[str, Any]:
    ready = {"httpGet": {"path": f"/v1/models/{model}", "port": "rest"}, "periodSeconds": 5}
    limits: dict[str, Any] = {"memory": "4Gi"}
    if gpus:
        limits["nvidia.com/gpu"] = gpus
    return {
        "terminationGracePeriodSeconds": 60,
        "containers": [
            {
                "name": "serving",
                "image": image,
                "args": arguments(),
                "ports": [
                    {"name": "rest", "containerPort": REST_PORT},
                    {"name": "grpc", "containerPort": GRPC_PORT},
                ],
                "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": limits},
                "startupProbe": {**ready, "failureThreshold": _LOAD_SECONDS // 5},
                "readinessProbe": ready,
                "livenessProbe": {"tcpSocket": {"port": "grpc"}, "periodSeconds": 10},
                "lifecycle": {"preStop": {"exec": {"command": ["sleep", "10"]}}},
                "volumeMounts": [
                    {"name": "config", "mountPath": CONFIG_DIRECTORY, "readOnly": True},
                    {"name": "models", "mountPath": f"/models/{model}", "readOnly": True},
                ],
            }
        ],
        "volumes": [
            {"name": "config", "configMap": {"name": name}},
            {"name": "models", "persistentVolumeClaim": {"claimName": name, "readOnly": True}},
        ],
    }


def _scrape_annotations() -> dict[str, str]:
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(REST_PORT),
        "prometheus.io/path": METRICS_PATH,
    }


def _dns_label(model: str) -> str:
    """A valid name for a Kubernetes service: an RFC 1035 label, short enough for suffixes."""
    name = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    return (name if name[:1].isalpha() else f"model-{name}")[:50].rstrip("-")


def _object(version: str, kind: str, name: str, **content: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **content}
