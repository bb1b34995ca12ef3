"""A trunk trained for one spec is used in another: by its name in MLflow, or as a TF-Hub module."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from models.multitask.build import read_model
from models.multitask.record import read_record
from pipeline.spec.trunk_lookup import find_model
from tests.command_line import call

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")  # MLflow's
]

SPEC = """\
name: {name}
data: {{sources: [{{format: image_folder, path: images}}]}}
inputs: {{picture: {{kind: image, column: image, height: 8, width: 8, channels: 1}}}}
tasks: {{digit: {{kind: multiclass, label: class}}}}
model: {{trunk: {trunk}}}
training: {{epochs: 1, batch_size: 32, learning_rate: {rate}}}
"""
ELSEWHERE = """\
import sys
import numpy, tensorflow_hub
module = tensorflow_hub.load(sys.argv[1])
numpy.save("answers.npy", module(numpy.load("pixels.npy")))
assert "models" not in sys.modules
"""


def rootstock(project: Path, *arguments: str) -> tuple[int, str]:
    code, out, err = call(project, *arguments)
    return code, out + err


def write_spec(project: Path, name: str, trunk: str, rate: float) -> None:
    (project / f"{name}.yaml").write_text(SPEC.format(name=name, trunk=trunk, rate=rate))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 digits, and a model of them that was trained, pushed and registered."""
    project = tmp_path_factory.mktemp("project")
    digits = load_digits()
    for i, (pixels, digit) in enumerate(zip(digits.images[:200], digits.target, strict=False)):
        file = project / f"images/{digit}/{i:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15).astype("uint8")).save(file)
    write_spec(project, "first", "{name: scratch, image: {widths: [8, 16]}, width: 24}", 0.01)
    assert rootstock(project, "publish", "first.yaml", "hub")[0] == 2
    code, output = rootstock(project, "run", "first.yaml")
    assert code == 0, output
    deadline = time.monotonic() + 120
    while "being sent" in rootstock(project, "sync", "first.yaml")[1]:
        assert time.monotonic() < deadline
        time.sleep(0.5)  # the process that sends has a low priority
    return project


def trunk_outputs(project: Path, name: str, pixels: np.ndarray) -> np.ndarray:
    model = find_model(str(project / ".rootstock/serving" / name), str(project / ".rootstock"))
    return np.asarray(read_model(model, read_record(model)).trunk({"picture": pixels}))


def grey(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def test_by_name_in_mlflow(project: Path) -> None:
    write_spec(project, "second", '{name: registry, model: "models:/first@champion"}', 1e-12)
    code, output = rootstock(project, "validate", "second.yaml")
    assert code == 0, output
    code, output = rootstock(project, "run", "second.yaml", "--set", "tracking.backend=none")
    assert code == 0, output
    expected = trunk_outputs(project, "first", grey(5))
    np.testing.assert_allclose(trunk_outputs(project, "second", grey(5)), expected, atol=1e-5)
    for command in ("validate", "run"):
        nobody = ("--set", "model.trunk.model=models:/first@nobody")
        code, output = rootstock(project, command, "second.yaml", *nobody)
        assert (code, "nobody" in output, "Traceback" in output) == (2, True, False)


def test_as_a_module_where_there_is_no_rootstock(project: Path, tmp_path: Path) -> None:
    module = project / "new/hub"
    code, output = rootstock(project, "publish", "first.yaml", str(module))
    assert code == 0, output
    assert f"handle: {module}" in output
    np.save(tmp_path / "pixels.npy", grey(5).astype("float32") / 255)
    command = [sys.executable, "-c", ELSEWHERE, str(module)]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    expected = trunk_outputs(project, "first", grey(5))
    np.testing.assert_allclose(np.load(tmp_path / "answers.npy"), expected, atol=1e-5)
    code, output = rootstock(project, "publish", "first.yaml", str(module))
    assert (code, "already exists" in output) == (2, True)
