"""The Kubernetes manifests, and that Kustomize puts them together."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from serving.deploy.kit import Deployment, files


def objects(manifests: str) -> dict[str, Any]:
    """Objects by kind, each checked against its schema."""
    parsed = list(yaml.safe_load_all(manifests))
    for manifest in parsed:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    by_kind = {manifest["kind"]: manifest for manifest in parsed}
    assert len(by_kind) == len(parsed)
    return by_kind


def pods_of(by_kind: dict[str, Any]) -> Any:
    return by_kind["Deployment"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_manifests_fit_the_kubernetes_schemas(kit: Path, model: str, kind: str) -> None:
    by_kind = objects((kit / "kubernetes" / kind / "serving.yaml").read_text())
    pods = pods_of(by_kind)
    claims = "PersistentVolumeClaim" in by_kind
    assert claims != ("initContainers" in pods)  # a volume of the cluster, or one that is filled
    assert len(by_kind) == 4 + claims
    serving = pods["containers"][0]
    assert serving["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{model}"
    gpus = serving["resources"]["limits"].get("nvidia.com/gpu", 0)
    grows = {"name": "TF_FORCE_GPU_ALLOW_GROWTH", "value": "true"} in serving["env"]
    metrics = {metric["type"] for metric in by_kind["HorizontalPodAutoscaler"]["spec"]["metrics"]}
    expected = (1, True, {"Pods"}) if kind == "gpu" else (0, False, {"Resource"})
    assert (gpus, grows, metrics) == expected
    assert (pods.get("runtimeClassName") == "nvidia") == ("tolerations" in pods) == (kind == "gpu")


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_containers_have_no_more_rights_than_they_need(kit: Path, kind: str) -> None:
    pods = pods_of(objects((kit / "kubernetes" / kind / "serving.yaml").read_text()))
    assert pods["securityContext"]["runAsNonRoot"]
    volumes = {volume["name"] for volume in pods["volumes"]}
    for container in [*pods.get("initContainers", []), *pods["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert re.search(r":\d", container["image"]), "an image without a version"


def test_autoscaling_asks_for_metrics_that_the_adapter_makes(kit: Path) -> None:
    by_kind = objects((kit / "kubernetes" / "gpu" / "serving.yaml").read_text())
    metrics = by_kind["HorizontalPodAutoscaler"]["spec"]["metrics"]
    rules = yaml.safe_load((kit / "prometheus" / "adapter.yaml").read_text())["rules"]["custom"]
    made = {rule["name"]["as"] for rule in rules}
    assert {metric["pods"]["metric"]["name"] for metric in metrics} == made


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_what_kustomizations_name_exists(kit: Path, kind: str) -> None:
    kustomization = kit / "kubernetes" / kind
    resources = yaml.safe_load((kustomization / "kustomization.yaml").read_text())["resources"]
    config, serving = (kustomization / resource for resource in resources)
    assert serving.is_file()
    (generator,) = yaml.safe_load((config / "kustomization.yaml").read_text())["configMapGenerator"]
    assert all((config / name).is_file() for name in generator["files"])
    pods = pods_of(objects(serving.read_text()))
    arguments = " ".join(pods["containers"][0]["args"])
    assert all(f"/config/{name}" in arguments for name in generator["files"])
    assert {"name": "config", "configMap": {"name": generator["name"]}} in pods["volumes"]


def kustomize() -> list[str]:
    """The command that builds a Kustomization: Kustomize, or the one in kubectl."""
    if program := shutil.which("kustomize"):
        return [program, "build"]
    if program := shutil.which("kubectl"):
        return [program, "kustomize"]
    pytest.skip("needs the program kustomize or kubectl")


@pytest.mark.parametrize("kind", ["cpu", "gpu"])
def test_kustomize_builds_the_kit(kit: Path, kind: str) -> None:
    directory = kit / "kubernetes" / kind
    built = subprocess.run([*kustomize(), directory], capture_output=True, text=True, check=True)
    by_kind = objects(built.stdout)
    for name, text in by_kind.pop("ConfigMap")["data"].items():
        assert text == (kit / "config" / name).read_text()
    assert by_kind == objects((directory / "serving.yaml").read_text())


@pytest.mark.parametrize(
    ("model", "name"),
    [("Spam_v2.mail", "spam-v2-mail"), ("2nd", "model-2nd"), ("é", "model"), ("a" * 70, "a" * 50)],
)
def test_services_have_valid_names(model: str, name: str) -> None:
    by_kind = objects(files(Deployment(model, "/models"))["kubernetes/cpu/serving.yaml"])
    assert by_kind["Service"]["metadata"]["name"] == name
