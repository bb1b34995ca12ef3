"""The command line as a user meets it: in a process of its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SPEC = """\
name: little
data:
  sources:
    - {format: csv, path: rows.csv}
inputs:
  size: {kind: numeric}
  colour: {kind: categorical}
tasks:
  ripe: {kind: binary, label: ripe, positive: "yes"}
tracking: {backend: none}
"""
ROWS = "size,colour,ripe\n" + "".join(
    f"{i},{'red' if i % 2 else 'green'},{'yes' if i % 3 else 'no'}\n" for i in range(40)
)


def rootstock(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "pipeline.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)
    imports = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    done.imported = {line.rpartition("|")[2].strip() for line in imports}  # type: ignore[attr-defined]
    lines = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    done.stderr = "\n".join(lines)
    return done


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def test_help_and_schema_are_light(tmp_path: Path) -> None:
    for arguments in (["--help"], ["run", "--help"], ["schema"]):
        done = rootstock(*arguments, cwd=tmp_path)
        assert done.returncode == 0
        assert not done.imported & {"tensorflow", "keras", "mlflow", "apache_beam"}
    assert json.loads(done.stdout)["title"] == "Spec"


def test_a_valid_spec(project: Path) -> None:
    done = rootstock("validate", "spec.yaml", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "valid. 2 inputs, 1 tasks, 1 sources." in done.stdout
    assert not done.imported & {"tensorflow", "keras", "mlflow", "apache_beam"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["tasks.ripe.positve=1"],
            r"--set tasks.ripe.positve=1: tasks.ripe.positve: unknown key. Did you mean",
        ),
        (["data.sources.0.path=nowhere.csv"], r"nowhere\.csv"),
        (["inputs.size.column=siez"], r"inputs.size: 'siez' is not a column of .*rows.csv"),
        (["tasks.ripe.label=rpe"], r"tasks.ripe: label 'rpe' is not a column"),
        (
            ["inputs.colour.kind=numeric"],
            r"inputs.colour reads numbers, but its column holds str",
        ),
        (["thresholds=[{task: ripe, metric: acu, min: 1}]"], r"acu.*auc"),
        (["data.key=[id]"], r"data.key: 'id' is not a column"),
        (["evaluation.weight=colour"], r"evaluation.weight reads numbers, but .* such as '\w+' in"),
        (["evaluation.decisions={rpe: 0.3}"], r"'rpe' is none of \['ripe'\]; expected binary or"),
        (["data.schema_file=rows.csv"], r"data.schema_file: .*rows.csv: .* Expected a tensorflow"),
        (["tune.space={training.learning_rte: [0.1]}"], r"tune.space.training.learning_rte: 0.1: "),
        (["data.schema_file=no.pbtxt"], r"data.schema_file: .*no.pbtxt.*No such file"),
        (["tasks.ripe.kind=regression", "tasks.ripe={kind: regression, label: ripe}"], "ripe"),
        (
            ["tasks.ripe={kind: multiclass, label: ripe, classes: [a, b]}"],
            r"rows.csv: .*'(yes|no)'",
        ),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    project: Path, overrides: list[str], message: str
) -> None:
    arguments = [a for o in overrides for a in ("--set", o)]
    done = rootstock("validate", "spec.yaml", *arguments, cwd=project)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert not done.imported & {"tensorflow", "mlflow"}


def test_an_empty_folder_and_an_empty_class(project: Path) -> None:
    image = "{kind: image, height: 8, width: 8}"
    overrides = [
        "data.sources=[{format: image_folder, path: images}]",
        f"inputs={{image: {image}}}",
    ]
    overrides.append("tasks={cat: {kind: binary, label: class, positive: cat}}")
    arguments = [a for o in overrides for a in ("--set", o)]
    (project / "images").mkdir()
    done = rootstock("validate", "spec.yaml", *arguments, cwd=project)
    assert (done.returncode, "images" in done.stderr) == (2, True)
    (project / "images" / "cat").mkdir()
    done = rootstock("validate", "spec.yaml", *arguments, cwd=project)
    assert (done.returncode, "cat" in done.stderr) == (2, True)
    shutil.rmtree(project / "images")


def test_serving_before_anything_was_pushed(project: Path) -> None:
    done = rootstock("serve", "spec.yaml", cwd=project)
    assert done.returncode == 2
    assert "no model has been pushed yet. First run: rootstock run" in done.stderr


def test_nobody_answers(tmp_path: Path) -> None:
    done = rootstock("predict", "m", "x=1", "--url", "http://127.0.0.1:9", cwd=tmp_path)
    assert done.returncode == 2
    assert "http://127.0.0.1:9" in done.stderr
    assert "`rootstock serve SPEC` starts one" in done.stderr
    done = rootstock("predict", "m", "x=1", "x=2", "--url", "http://127.0.0.1:9", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "rootstock: x: received several values. Expected one for each input.",
    )
    assert "tensorflow" not in done.imported
