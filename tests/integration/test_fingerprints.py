"""What runs again after an edit of code, and that no stage runs code outside of its fingerprint."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml

from components.export.exporter import Exporter, ExporterInputs
from components.stage import Context, Stage
from components.training.trainer import Trainer
from pipeline import flow
from pipeline.display import LineDisplay
from pipeline.runner import Runner
from pipeline.spec.load import load_spec
from pipeline.store import sources
from pipeline.store.fingerprint import Identity
from pipeline.store.store import Store
from tests.integration.test_pipeline import SPEC, rows


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the source tree, which fingerprints are taken from."""
    tree = tmp_path / "tree"
    for package in sources.FIRST_PARTY:
        shutil.copytree(
            sources.ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    monkeypatch.setattr(sources, "ROOT", tree)
    sources.forget()
    yield tree
    sources.forget()


@dataclass
class Kept(LineDisplay):
    """A display that remembers."""

    lines: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        self.lines.append(text)


def run_to_export(project: Path) -> dict[str, str]:
    """Run all stages up to the Exporter; what `--explain` says of each that runs, by its name."""
    sources.forget()
    spec, _ = load_spec(project / "spec.yaml", ["training.epochs=1"])
    display = Kept()
    with Runner(Store(project / "store"), display=display, explain=True) as run:
        prepared = flow.prepare(spec, run)
        trained = run(Trainer.of(flow.recipe(spec)), prepared).model
        run(Exporter(), ExporterInputs(trained, prepared.examples))
    said = [line.split(": ", 1) for line in display.lines if ": " in line]
    return {name.strip(): why for name, why in said if "changed" in why or "no earlier" in why}


def test_an_edit_runs_again_what_it_concerns(tree: Path, tmp_path: Path) -> None:
    small = yaml.safe_load(SPEC)  # one input and one task: every run of a stage builds a model
    small["inputs"] = {"size": small["inputs"]["size"]}
    small["tasks"] = {"ripe": small["tasks"]["ripe"]}
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(small))
    (tmp_path / "rows.csv").write_text(rows(120))
    assert {"Transform", "Trainer", "Exporter"} <= run_to_export(tmp_path).keys()
    assert run_to_export(tmp_path) == {}

    comment(tree / "serving/warmup.py")
    assert run_to_export(tmp_path) == {
        "Exporter": "changed since its last result: code of serving.warmup"
    }
    comment(tree / "models/tasks/heads/binary.py")
    again = run_to_export(tmp_path)
    assert again.keys() == {"Trainer", "Exporter"}
    assert again["Trainer"].endswith("last result: code of models.tasks.heads.binary")

    comment(tree / "models/tasks/heads/count.py")  # a kind that no task of the spec has
    assert run_to_export(tmp_path) == {}


def comment(file: Path) -> None:
    file.write_text(file.read_text() + "# A comment.\n")


@dataclass
class Watching(Runner):
    """Runs one stage at a time and notes which first-party modules have code that ran."""

    outside: dict[str, set[str]] = field(default_factory=dict)
    _watched: bool = False

    def _attempt(self, stage: Any, inputs: Any, identity: Identity) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            run: Callable[..., Any] = type(stage).run
            ran: set[str] = set()

            def watched(stage: Stage[Any, Any], inputs: object, context: Context) -> Any:
                watch = _watcher(ran)
                threading.settrace(watch)
                sys.settrace(watch)
                try:
                    return run(stage, inputs, context)
                finally:
                    sys.settrace(None)
                    threading.settrace(None)  # type: ignore[arg-type]

            watched.__annotations__ = run.__annotations__
            patch.setattr(type(stage), "run", watched)
            entry = super()._attempt(stage, inputs, identity)
        modules = {m for m in map(_module_of, ran) if m}
        self.outside[identity.stage] = modules - set(identity.sources)
        return entry


def _watcher(ran: set[str]) -> Callable[[FrameType, str, Any], None]:
    others: set[str] = set()

    def watch(frame: FrameType, event: str, argument: Any) -> None:  # every call, but no line
        file = frame.f_code.co_filename
        if file in ran or file in others or frame.f_code.co_name == "<module>":
            return
        if not _module_of(file):
            others.add(file)
        elif not _shows_progress(frame):
            ran.add(file)

    return watch


def _shows_progress(frame: FrameType | None) -> bool:
    """Whether pipeline code called this while a stage ran: it shows progress and warnings."""
    while frame is not None and frame.f_code.co_filename != __file__:
        if Path(frame.f_code.co_filename).is_relative_to(sources.ROOT / "pipeline"):
            return True
        frame = frame.f_back
    return False


def _module_of(file: str) -> str:
    """The first-party module of a source file, but for those that observe a stage; "" else."""
    path = Path(file)
    if path.suffix != ".py" or not path.is_relative_to(sources.ROOT):
        return ""
    parts = path.relative_to(sources.ROOT).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__") if parts[0] in sources.FIRST_PARTY[:3] else ""


def test_no_stage_runs_code_outside_of_its_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "rows.csv").write_text(rows(120))
    overrides = ["training.epochs=1", "model.experts=auto"]
    spec, _ = load_spec(tmp_path / "spec.yaml", overrides)
    with Watching(Store(tmp_path / "store")) as run:
        monkeypatch.setattr(run, "start", lambda stage, inputs: _Done(run(stage, inputs)))
        flow.pipeline(spec, run)
    assert len(run.outside) == 12
    assert {stage: found for stage, found in run.outside.items() if found} == {}


@dataclass
class _Done:
    """A future whose result is there."""

    value: Any

    def result(self) -> Any:
        return self.value
