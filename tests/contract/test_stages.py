"""The contract of stages, which are found by discovery, and runs of the cheap ones."""

from __future__ import annotations

import copy
import importlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import pytest

from components.artifacts import Artifact, SourceFiles
from components.data.digests import digest_file, digest_tree
from components.ingestion.example_gen import ExampleGen, ExampleGenInputs
from components.ingestion.readers.delimited import CsvReader
from components.labels.task_statistics_gen import TaskStatisticsGen, TaskStatisticsGenInputs
from components.stage import Context, Stage
from components.statistics.statistics_gen import StatisticsGen, StatisticsGenInputs
from components.transform.transform import Transform, TransformInputs
from components.validation.example_validator import ExampleValidator, ExampleValidatorInputs
from components.validation.schema_gen import SchemaGen, SchemaGenInputs
from models.inputs.categorical import CategoricalInput
from pipeline.store.fingerprint import canonical
from tests.stages import INPUT, TASK, example, inputs_and_outputs, stage_classes, types_of

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
CLASSES = stage_classes()
every_stage = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def frozen(cls: type[Any]) -> bool:
    return is_dataclass(cls) and cls.__dataclass_params__.frozen  # type: ignore[attr-defined]


@every_stage
def test_it_is_a_frozen_dataclass_with_a_described_module(cls: type[Stage[Any, Any]]) -> None:
    stage = example(cls)
    assert frozen(cls)
    assert stage == example(cls)
    with pytest.raises(FrozenInstanceError):
        stage.added = 1  # type: ignore[attr-defined]
    assert importlib.import_module(cls.__module__).__doc__
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}(")  # what `dataclass` writes by itself


@every_stage
def test_inputs_and_outputs_are_frozen_dataclasses_of_artifacts(cls: type[Stage[Any, Any]]) -> None:
    inputs, outputs = inputs_and_outputs(cls)
    for side in (inputs, outputs):
        assert frozen(side)
        assert fields(side)
        assert all(issubclass(used, Artifact) for used in types_of(side))
    # The store loads each field of the outputs as one artifact.
    assert set(get_type_hints(outputs).values()) == types_of(outputs)


def variants(value: Any) -> Iterator[Any]:
    """Copies of a value of which each differs in one part that counts in fingerprints."""
    if is_dataclass(value) and not isinstance(value, type):
        for f in fields(value):
            if f.metadata.get("fingerprint", True):
                for other in variants(getattr(value, f.name)):
                    changed = copy.copy(value)  # not `replace`: some fields must fit each other
                    object.__setattr__(changed, f.name, other)
                    yield changed
    elif isinstance(value, tuple):
        yield (*value, "added")
        for i, item in enumerate(value):
            yield from ((*value[:i], other, *value[i + 1 :]) for other in variants(item))
    elif isinstance(value, Mapping):
        yield {**value, "added": 1}
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
        yield str(value)
    else:
        yield f"{value}, changed"


@every_stage
def test_every_parameter_changes_the_canonical_form(cls: type[Stage[Any, Any]]) -> None:
    stage = example(cls)
    forms = [json.dumps(canonical(s), sort_keys=True) for s in (stage, *variants(stage))]
    assert forms[0] == json.dumps(canonical(example(cls)), sort_keys=True)
    assert len(forms) > len([f for f in fields(cls) if f.metadata.get("fingerprint", True)])  # type: ignore[arg-type]
    assert len(set(forms)) == len(forms)


def test_importing_stages_imports_neither_tensorflow_nor_keras() -> None:
    modules = sorted({cls.__module__ for cls in CLASSES})
    code = (
        f"import importlib, sys\nfor module in {modules}:\n    importlib.import_module(module)\n"
        "    heavy = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "    assert not heavy, (module, heavy)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


CHAIN = (
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "TaskStatisticsGen",
    "Transform",
)
JOBS = ("cook", "smith", "baker")
ROWS = [f"{i * 37 % 50},{JOBS[i % 3]},{'no' if i % 4 else 'yes'}" for i in range(90)]
INPUTS = (INPUT, CategoricalInput(name="job", column="job"))


def state(directory: Path) -> dict[str, tuple[int, str]]:
    """Time of change and digest of all files, and the directories, by path."""
    return {
        str(p): (p.stat().st_mtime_ns, digest_file(p)) if p.is_file() else (0, "")
        for p in directory.rglob("*")
    }


def run(stage: Stage[I, O], inputs: I, root: Path) -> O:
    """The outputs of a stage, with digests.

    Below `root`, it may write to its output and scratch directories only.
    """
    home = root / type(stage).__name__
    context = Context(home / "output", home / "scratch")
    for directory in (context.output, context.scratch):
        directory.mkdir(parents=True)
    before = state(root)
    outputs = stage.run(inputs, context)
    own = (str(context.output) + "/", str(context.scratch) + "/")
    assert {p: s for p, s in state(root).items() if not p.startswith(own)} == before
    names = [f.name for f in fields(outputs)]  # type: ignore[arg-type]
    assert sorted(p.name for p in context.output.iterdir()) == sorted(names)
    artifacts: dict[str, Artifact] = {name: getattr(outputs, name) for name in names}
    assert {n: a.path for n, a in artifacts.items()} == {n: context.output / n for n in names}
    published = {n: replace(a, digest=digest_tree(a.path)) for n, a in artifacts.items()}
    return replace(outputs, **published)  # type: ignore[type-var]


def run_chain(root: Path) -> dict[str, dict[str, str]]:
    """Digests of the outputs of the data stages, by stage and field."""
    (root / "rows.csv").write_text("\n".join(["hours,job,rich", *ROWS]))
    files = SourceFiles(root / "rows.csv", digest_file(root / "rows.csv"))
    sources = (CsvReader(path=str(files.path)),)
    first = run(ExampleGen(sources=sources, key=("hours", "job")), ExampleGenInputs((files,)), root)
    examples = first.examples
    second = run(StatisticsGen(), StatisticsGenInputs(examples), root)
    third = run(SchemaGen(), SchemaGenInputs(second.statistics), root)
    outputs: list[object] = [first, second, third]
    outputs += [
        run(
            ExampleValidator(inputs=INPUTS, tasks=(TASK,)),
            ExampleValidatorInputs(second.statistics, third.schema),
            root,
        ),
        run(TaskStatisticsGen(tasks=(TASK,)), TaskStatisticsGenInputs(examples), root),
        run(Transform(inputs=INPUTS), TransformInputs(examples, second.statistics), root),
    ]
    return {
        name: {f.name: getattr(of_stage, f.name).digest for f in fields(of_stage)}  # type: ignore[arg-type]
        for name, of_stage in zip(CHAIN, outputs, strict=True)
    }


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, str]]]:
    """Runs in two directories, which are also those of the process and of temporary files."""
    digests = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("first", "second"):
            root = tmp_path_factory.mktemp(name)
            for directory in ("here", "temporary"):
                (root / directory).mkdir()
            patch.chdir(root / "here")
            patch.setenv("TMPDIR", str(root / "temporary"))
            patch.setattr(tempfile, "tempdir", None)
            digests.append(run_chain(root))
    return digests


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAIN)
def test_two_runs_give_the_same_digests(
    name: str, two_runs: list[dict[str, dict[str, str]]]
) -> None:
    first, second = (run[name] for run in two_runs)
    assert all(first.values())
    assert first == second
