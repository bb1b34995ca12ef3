"""The locks agree with each other, and the Dockerfile with hadolint and with the wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: str) -> set[str]:
    return {line.partition(" ;")[0] for line in (ROOT / lock).read_text().splitlines()}


def test_the_locks_name_the_same_versions() -> None:
    run, develop, all_extras = map(
        pins, ("requirements.lock", "requirements-dev.lock", "constraints.lock")
    )
    assert run < develop < all_extras
    assert not any(pin.startswith(("pytest==", "mypy==")) for pin in run)


def test_the_constraints_have_every_extra() -> None:
    names = {pin.partition("==")[0] for pin in pins("constraints.lock")}
    for extra, requirements in PROJECT["project"]["optional-dependencies"].items():
        for requirement in requirements:
            name = requirement.partition(";")[0].partition(">=")[0].partition("[")[0].strip()
            assert name in names, extra
    assert "nvidia-cudnn-cu12" in names


def test_hadolint_finds_nothing() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint is not installed: requirements-dev.lock has it for Linux on x86-64")
    done = subprocess.run(
        [hadolint, "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_docker_sees_what_the_wheel_is_made_of() -> None:
    seen = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    packages = {
        name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    files = {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
    assert seen == packages | files | {"pyproject.toml", "constraints.lock"}
