"""Two worker processes run one spec: the chief publishes, and trains with the other one."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import call, entry, start

pytestmark = pytest.mark.slow

SPEC = """\
name: planted
data:
  sources: [{format: csv, path: rows.csv}]
inputs:
  x: {kind: numeric}
tasks:
  a: {kind: binary, label: a, positive: "yes"}
  b: {kind: binary, label: b, positive: "yes"}
model: {experts: none, trunk: {name: scratch, width: 8, dropout: 0}, balancing: mgda}
training: {epochs: 2, batch_size: 32}
push: {destination: served}
store: store
tracking: {backend: none}
"""


def free_ports(count: int) -> list[int]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in listeners]
    for each in listeners:
        each.close()
    return ports


def weights(project: Path) -> list[np.ndarray]:
    with np.load(entry(project, "Trainer").path / "model" / "weights.npz") as arrays:
        return list(arrays.values())


def test_two_workers_train_what_one_process_trains(tmp_path: Path) -> None:
    rng = random.Random(0)
    lines = ["x,a,b"]
    for _ in range(150):
        x = rng.gauss(0, 1)
        lines.append(f"{x:.3f},{'yes' if x > 0 else 'no'},{'yes' if abs(x) > 1 else 'no'}")
    projects = [tmp_path / name for name in ("one", "two")]
    for project in projects:
        project.mkdir()
        (project / "rows.csv").write_text("\n".join(lines) + "\n")
        (project / "spec.yaml").write_text(SPEC)
    addresses = ",".join(f"127.0.0.1:{port}" for port in free_ports(2))
    chief = start(projects[1], "run", "spec.yaml", "--workers", addresses)
    code, _, err = call(projects[0], "run", "spec.yaml")
    assert code == 0, err
    out, err = chief.communicate()
    assert chief.returncode == 0, err
    assert "Pushed version 1" in out
    for one, two in zip(*(weights(project) for project in projects), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
