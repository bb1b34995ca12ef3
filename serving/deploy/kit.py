"""All files to deploy one model with TF Serving. Write them again whenever its labels move.

README.md                        how to use them
compose.yaml                     TF Serving, Prometheus and Grafana; compose.gpu.yaml adds a GPU
kubernetes/cpu/, kubernetes/gpu/ for `kubectl apply -k`
config/                          configuration of TF Serving: models, batching, monitoring
prometheus/, grafana/            configuration of Prometheus and Grafana
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from serving.files import write_atomically
from serving.wire.names import METRICS_PATH, REQUEST_COUNT, REQUEST_LATENCY


@dataclass(frozen=True)
class Deployment:
    """What to deploy.

    model: its name. place: its push destination, if that is a URL; else the directory of its
    versions, on the machine that mounts it. labels: the version of each label; if there are any,
    only labelled versions are served.
    """

    model: str
    place: str
    labels: Mapping[str, int] = field(default_factory=dict)


def files(deployment: Deployment) -> dict[str, str]:
    """The content of each file by its path in the kit."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(yaml=_yaml, dns_label=_dns_label)
    is_url = "://" in deployment.place
    values = {
        "model": deployment.model,
        "directory": "" if is_url else deployment.place,
        "store": deployment.place if is_url else "",
        "labels": deployment.labels,
        "version": version("rootstock"),
        "metrics_path": METRICS_PATH,
        "request_count": REQUEST_COUNT,
        "request_latency": REQUEST_LATENCY,
    }
    contents = {}
    for name in environment.list_templates(filter_func=lambda name: name.startswith("files/")):
        path = name.removeprefix("files/").removesuffix(".jinja")
        contents[path] = environment.get_template(name).render(values)
    return contents


def is_kit(directory: Path) -> bool:
    return (directory / "config" / "models.config").is_file()


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


def _yaml(text: str) -> str:
    """A text as a quoted YAML scalar on one line."""
    return yaml.safe_dump(text, default_style='"', width=math.inf).strip()


def _dns_label(model: str) -> str:
    """A valid name for a Kubernetes service: an RFC 1035 label, short enough for suffixes."""
    name = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    return (name if name[:1].isalpha() else f"model-{name}")[:50].rstrip("-")
