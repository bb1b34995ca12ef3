"""The Kubernetes manifests."""

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from serving.deploy.kit import Deployment, files


@pytest.mark.parametrize("name", ["kubernetes.cpu.yaml", "kubernetes.gpu.yaml"])
def test_manifests_fit_the_kubernetes_schemas(kit: Path, model: str, name: str) -> None:
    objects = list(yaml.safe_load_all((kit / name).read_text()))
    for manifest in objects:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    by_kind = {manifest["kind"]: manifest for manifest in objects}
    assert len(by_kind) == len(objects) == 6
    assert re.fullmatch("[a-z0-9-]+", by_kind["Service"]["metadata"]["name"])
    (container,) = by_kind["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{model}"
    gpus = container["resources"]["limits"].get("nvidia.com/gpu", 0)
    assert gpus == (1 if "gpu" in name else 0)
    text = (kit / "config" / "models.config").read_text()
    assert by_kind["ConfigMap"]["data"]["models.config"] == text


@pytest.mark.parametrize(
    ("model", "name"),
    [("Spam_v2.mail", "spam-v2-mail"), ("2nd", "model-2nd"), ("é", "model"), ("a" * 70, "a" * 50)],
)
def test_services_have_valid_names(model: str, name: str) -> None:
    objects = yaml.safe_load_all(files(Deployment(model, "/models"))["kubernetes.cpu.yaml"])
    (service,) = [manifest for manifest in objects if manifest["kind"] == "Service"]
    assert service["metadata"]["name"] == name
