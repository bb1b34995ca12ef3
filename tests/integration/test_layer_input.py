"""Inputs with layers of the user's own, from rows to the served model."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from components.artifacts import ExportedModel
from components.export.expected_outputs import read_expected
from pipeline.flow import prepare
from pipeline.runner import Runner
from pipeline.spec.load import load_spec
from pipeline.store.store import Store
from serving.client.client import Client
from serving.server.launch import ServerProcess
from tests.command_line import call, entry
from tests.own_layers import LAYERS

SPEC = {
    "name": "own",
    "data": {"sources": [{"format": "csv", "path": "rows.csv"}]},
    "inputs": {
        "size": {
            "kind": "layer",
            "module": "layers.py",
            "layer": "Bands",
            "options": {"edges": [2.0, 4.0, 6.0]},
        },
        "weight": {"kind": "layer", "module": "layers.py", "layer": "Share"},
        "word": {"kind": "layer", "module": "./layers.py", "layer": "Initial", "reads": "text"},
        "colour": {"kind": "categorical"},
    },
    "tasks": {"ripe": {"kind": "binary", "label": "ripe", "positive": "yes"}},
    "training": {"epochs": 8, "batch_size": 32, "learning_rate": 0.01},
    "tracking": {"backend": "none"},
    "push": {"destination": "served"},
    "store": "store",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rng = random.Random(0)
    lines = ["size,weight,word,colour,ripe"]
    for _ in range(500):
        size, colour = rng.uniform(0, 8), rng.choice(["red", "green"])
        word = rng.choice(["apple", "banana", "cherry", ""])
        weight = f"{rng.uniform(1, 50):.2f}" if rng.random() < 0.9 else ""
        ripe = "yes" if 2 < size < 4 or size > 6 else "no"
        lines.append(f"{size:.3f},{weight or 1},{word},{colour},{ripe}")
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "layers.py").write_text(LAYERS)
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC, sort_keys=False))
    return tmp_path


def test_a_layer_is_part_of_what_is_served(project: Path) -> None:
    code, out, err = call(project, "run", "spec.yaml")
    assert code == 0, err
    model = ExportedModel(entry(project, "Exporter").path / "model")
    raw, expected = read_expected(model.expected)
    (project / "layers.py").unlink()
    with ServerProcess({"own": project / "served" / "own"}, project / "server.log") as server:
        url = f"http://127.0.0.1:{server.wait(60)['rest']}"
        with Client(url, "own") as client:
            answers = client.predict(raw)
        code, out, err = call(
            project, "predict", "own", "--url", url, "colour=red", "size=9", "no=1"
        )
        assert (code, "no: the model has no such input. Inputs: colour, size" in err) == (2, True)
        known = ["colour=red", "size=9", "weight=3", "word=apple"]
        code, out, err = call(project, "predict", "own", "--url", url, *known)
        assert code == 0, err
        assert set(json.loads(out)["ripe"]) == {"negative", "positive"}
    np.testing.assert_allclose(answers["ripe"], expected["ripe"], atol=1e-5)

    (project / "layers.py").write_text(LAYERS.replace("/ self.largest", "/ self.largest / 2"))
    spec, _ = load_spec(project / "spec.yaml")
    with Runner(Store(Path(spec.store))) as runner:
        prepare(spec, runner)
    cached = {result.stage: result.cached for result in runner.results}
    assert (cached["TaskStatisticsGen"], cached["Transform"]) == (True, False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("inputs.size.module=other.py", "inputs.size: module .*other.py.*No such file"),
        ("inputs.size.layer=NotALayer", "inputs.size: .*NotALayer is no class of a"),
        ("inputs.weight.column=colour", "inputs.weight reads numbers, but its column holds string"),
    ],
)
def test_what_the_user_can_mend(project: Path, change: str, message: str) -> None:
    for command in ("validate", "run"):
        if (command, "NotALayer" in change) != ("validate", True):
            code, out, err = call(project, command, "spec.yaml", "--set", change)
            assert (code, "Traceback" in err) == (2, False), out + err
            assert command == "run" or re.search(message, out + err), out + err
