"""All files to deploy one model with TF Serving. Write them again whenever its labels move.

compose.yaml            TF Serving on CPU, Prometheus and Grafana; add compose.gpu.yaml for a GPU
kubernetes.cpu.yaml, kubernetes.gpu.yaml
config/                 configuration of TF Serving: models, batching, monitoring
prometheus/, grafana/   configuration of Prometheus and Grafana
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.deploy import compose, grafana, kubernetes, prometheus, tf_serving
from serving.files import write_atomically


@dataclass(frozen=True)
class Deployment:
    """What to deploy.

    model: its name. directory: its versions, on the machine that mounts them. labels: the version
    of each label; if there are any, only labelled versions are served. image: the image of TF
    Serving without a tag. tag, gpu_tag: tags of the image for CPU and GPU.
    """

    model: str
    directory: str
    labels: Mapping[str, int] = field(default_factory=dict)
    image: str = "tensorflow/serving"
    tag: str = "latest"
    gpu_tag: str = "latest-gpu"


def files(deployment: Deployment) -> dict[str, str]:
    """The content of each file by its path in the kit."""
    config = {
        tf_serving.MODELS: tf_serving.models(deployment.model, deployment.labels),
        tf_serving.BATCHING: tf_serving.batching(),
        tf_serving.MONITORING: tf_serving.monitoring(),
    }
    cpu, gpu = (f"{deployment.image}:{t}" for t in (deployment.tag, deployment.gpu_tag))
    return {
        **{f"config/{name}": text for name, text in config.items()},
        "compose.yaml": compose.base(deployment.model, deployment.directory, cpu),
        "compose.gpu.yaml": compose.gpu(gpu),
        "kubernetes.cpu.yaml": kubernetes.manifests(deployment.model, cpu, config, gpus=0),
        "kubernetes.gpu.yaml": kubernetes.manifests(deployment.model, gpu, config, gpus=1),
        "prometheus/prometheus.yml": prometheus.config(),
        "prometheus/alerts.yml": prometheus.alerts(deployment.model),
        "grafana/provisioning/datasources/prometheus.yaml": grafana.data_source(),
        "grafana/provisioning/dashboards/dashboards.yaml": grafana.provider(),
        "grafana/dashboards/model.json": grafana.dashboard(deployment.model),
    }


def is_kit(directory: Path) -> bool:
    """Whether the directory holds a kit."""
    return (directory / "config" / tf_serving.MODELS).is_file()


def write(deployment: Deployment, directory: Path) -> list[Path]:
    """Write the kit. A running server may poll its configuration: each file is replaced at once.

    Returns:
        The files.
    """
    written = []
    for name, content in files(deployment).items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        written.append(path)
    return written
