"""The command line as a user meets it: what it answers, and that it imports nothing heavy."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Done:
    """A command that has ended. imported: the heavy packages that its process had imported."""

    returncode: int
    stdout: str
    stderr: str
    imported: set[str]


Rootstock = Callable[..., Done]
HEAVY = {"tensorflow", "keras", "mlflow", "apache_beam"}
COMMANDS = f"""\
import contextlib, io, json, os, sys
from pipeline.cli.main import main
for line in sys.stdin:
    cwd, arguments = json.loads(line)
    os.chdir(cwd)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as e:
            code = e.code
    imported = sorted({HEAVY} & set(sys.modules))
    print(json.dumps([code, out.getvalue(), err.getvalue(), imported]), flush=True)
"""


@pytest.fixture(scope="module")
def rootstock() -> Iterator[Rootstock]:
    """Runs commands one after the other in a process that has imported nothing heavy before."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", COMMANDS]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:

        def run(*arguments: str, cwd: Path) -> Done:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps([str(cwd), arguments]) + "\n")
            process.stdin.flush()
            code, out, err, imported = json.loads(process.stdout.readline())
            return Done(code, out, err.removesuffix("\n"), set(imported))

        yield run
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path


def test_help_and_schema_are_light(rootstock: Rootstock, tmp_path: Path) -> None:
    for arguments in (["--help"], ["run", "--help"], ["schema"]):
        done = rootstock(*arguments, cwd=tmp_path)
        assert done.returncode == 0
        assert not done.imported
    assert json.loads(done.stdout)["title"] == "Spec"


def test_a_command_is_a_process(project: Path) -> None:
    command = [sys.executable, "-m", "pipeline.cli.main", "validate", "spec.yaml"]
    done = subprocess.run([*command, "--set", "a=1"], cwd=project, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("rootstock: --set a=1: a: unknown key")


def test_a_valid_spec(rootstock: Rootstock, project: Path) -> None:
    done = rootstock("validate", "spec.yaml", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert "valid. 2 inputs, 1 task, 1 source." in done.stdout
    assert not done.imported


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
        (["inputs.colour.kind=numeric"], r"inputs.colour reads numbers, but its column holds str"),
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
    rootstock: Rootstock, project: Path, overrides: list[str], message: str
) -> None:
    arguments = [a for o in overrides for a in ("--set", o)]
    done = rootstock("validate", "spec.yaml", *arguments, cwd=project)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert not done.imported & {"tensorflow", "mlflow"}


def test_an_empty_folder_and_an_empty_class(rootstock: Rootstock, project: Path) -> None:
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


def test_serving_before_anything_was_pushed(rootstock: Rootstock, project: Path) -> None:
    done = rootstock("serve", "spec.yaml", cwd=project)
    assert done.returncode == 2
    assert "no model has been pushed yet. First run: rootstock run" in done.stderr


def test_starting_a_spec_is_light(rootstock: Rootstock, project: Path) -> None:
    done = rootstock("init", "rows.csv", "--label", "ripe", "--output", "new.yaml", cwd=project)
    assert (done.returncode, done.stderr) == (0, "")
    assert not done.imported


def test_nobody_answers(rootstock: Rootstock, tmp_path: Path) -> None:
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


def test_help_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.cli.main import parsers

    monkeypatch.setenv("COLUMNS", "80")
    parser, commands = parsers()
    for each in (parser, *commands.values()):
        wide = [line for line in each.format_help().splitlines() if len(line) > 80]
        assert not wide, each.prog


def test_without_a_command_the_help_is_shown(rootstock: Rootstock, tmp_path: Path) -> None:
    for arguments in ((), ("--json",)):
        done = rootstock(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert "rootstock init people.csv" in done.stderr
        assert not done.imported


def test_the_overview_has_every_command_once() -> None:
    from pipeline.cli.main import parsers
    from pipeline.cli.overview import GROUPS

    named = [name for names in GROUPS.values() for name in names]
    assert sorted(named) == sorted(parsers()[1])


def test_every_help_has_examples_that_parse(capsys: pytest.CaptureFixture[str]) -> None:
    from pipeline.cli.main import parsers

    parser, commands = parsers()
    for name, command in commands.items():
        _, _, examples = command.format_help().partition("examples:\n")
        lines = examples.splitlines()
        assert lines, name
        for line in lines:
            words = shlex.split(line.partition(">")[0])
            assert words[:2] == ["rootstock", name]
            parser.parse_args(words[1:])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["valdate", "spec.yaml"], "there is no command 'valdate'. Did you mean 'validate'?"),
        (["xyz"], "there is no command 'xyz'. `rootstock --help` lists them."),
        (["run", "spec.yaml", "--explian"], "run: unknown argument --explian. Did you mean '--exp"),
        (["run", "nowhere.yaml", "--json"], "nowhere.yaml: no such file."),
    ],
)
def test_what_is_mistyped(
    rootstock: Rootstock, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = rootstock(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"rootstock: {message}")
    assert ("--json" in arguments) == done.stdout.startswith('{"error": "nowhere.yaml: no such')
    assert not done.imported
