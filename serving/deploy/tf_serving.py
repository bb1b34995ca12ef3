"""The command line and configuration files of TF Serving.

See https://www.tensorflow.org/tfx/serving/serving_config.
"""

from __future__ import annotations

from collections.abc import Mapping

from serving.wire.names import METRICS_PATH

REST_PORT, GRPC_PORT = 8501, 8500
MODELS, BATCHING, MONITORING = "models.config", "batching.config", "monitoring.config"
CONFIG_DIRECTORY = "/config"


def arguments() -> list[str]:
    """The command line of the server. It reads `models.config` again every 30 seconds."""
    return [
        f"--port={GRPC_PORT}",
        f"--rest_api_port={REST_PORT}",
        f"--model_config_file={CONFIG_DIRECTORY}/{MODELS}",
        "--model_config_file_poll_wait_seconds=30",
        "--allow_version_labels_for_unavailable_models=true",
        "--enable_batching=true",
        f"--batching_parameters_file={CONFIG_DIRECTORY}/{BATCHING}",
        f"--monitoring_config_file={CONFIG_DIRECTORY}/{MONITORING}",
    ]


def models(model: str, labels: Mapping[str, int]) -> str:
    """A `ModelServerConfig`: serve the labelled versions; the newest one if there are no labels."""
    lines = [f'name: "{model}"', f'base_path: "/models/{model}"', 'model_platform: "tensorflow"']
    if labels:
        chosen = " ".join(f"versions: {v}" for v in sorted(set(labels.values())))
        lines.append(f"model_version_policy {{ specific {{ {chosen} }} }}")
    for label, version in sorted(labels.items()):
        lines.append(f'version_labels {{ key: "{label}" value: {version} }}')
    body = "\n".join(f"    {line}" for line in lines)
    return f"model_config_list {{\n  config {{\n{body}\n  }}\n}}\n"


def batching() -> str:
    """`BatchingParameters`: a batch waits at most 2 ms for more requests."""
    return (
        "max_batch_size { value: 64 }\n"
        "batch_timeout_micros { value: 2000 }\n"
        "max_enqueued_batches { value: 256 }\n"
        "num_batch_threads { value: 4 }\n"
    )


def monitoring() -> str:
    """`MonitoringConfig`."""
    return f'prometheus_config {{\n  enable: true\n  path: "{METRICS_PATH}"\n}}\n'
