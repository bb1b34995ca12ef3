"""The Docker Compose files."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_files_fit_the_compose_specification(kit: Path, name: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, str(kit / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_everything_that_the_server_reads_is_mounted(kit: Path, model: str) -> None:
    services = yaml.safe_load((kit / "compose.yaml").read_text())["services"]
    serving = services["serving"]
    if "models" in services:  # copies the model from an object store
        assert services["models"]["entrypoint"][3:6] == ["s3://bucket/models", model, "/models"]
        assert "models:/models:ro" in serving["volumes"]
    else:
        assert f"/srv/models/spam:/models/{model}:ro" in serving["volumes"]
    for argument in serving["command"]:
        if "=/config/" in argument:
            assert (kit / "config" / Path(argument.partition("=")[2]).name).exists()
    assert all(port.startswith("127.0.0.1:") for port in serving["ports"])


def test_images_have_versions(kit: Path) -> None:
    services = yaml.safe_load((kit / "compose.yaml").read_text())["services"]
    tags = [service["image"].partition(":")[2] for service in services.values()]
    assert all(tag and "latest" not in tag for tag in tags)


def test_the_overlay_adds_a_gpu(kit: Path) -> None:
    overlay = yaml.safe_load((kit / "compose.gpu.yaml").read_text())["services"]["serving"]
    (device,) = overlay["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
