"""The code that each stage depends on: the first-party modules in its fingerprint.

`fingerprint_modules.txt` lists them for an example of every stage, on one numeric input and one
binary task, so that a pull request shows when a key becomes wider. An edit of any listed module
runs the stage again for everyone. After an intended change, write the file again and review it:

    python -m tests.contract.test_fingerprint_modules
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from components.stage import Stage
from pipeline.store.sources import FIRST_PARTY, ROOT, known, parse_module, sources
from tests.stages import RECORD, example, stage_classes

FILE = Path(__file__).with_name("fingerprint_modules.txt")
USES = {"Exporter": (RECORD,)}
"""The values that `Stage.uses` of a stage reads from its inputs."""
COMPUTED = ("pipeline.cli.methods",)
"""Modules that import packages with computed names; no stage may import these modules."""


def modules_of(cls: type[Stage[Any, Any]]) -> list[str]:
    stage = example(cls)
    objects = known((stage, USES.get(cls.__name__, ())))
    return list(sources(frozenset({cls.__module__, *objects.modules, *cls.depends_on}), objects))


def listing() -> str:
    parts = []
    for cls in stage_classes():
        modules = modules_of(cls)
        lines = [f"{cls.__name__}: {len(modules)} modules", *(f"  {m}" for m in modules)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def test_the_modules_in_every_key_are_as_reviewed() -> None:
    assert listing() == FILE.read_text(), (
        "The code that some stage depends on has changed. If that is meant, run: python -m"
        " tests.contract.test_fingerprint_modules"
    )


@pytest.mark.parametrize(
    "module",
    [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for package in FIRST_PARTY
        for file in sorted((ROOT / package).rglob("*.py"))
        if "models.discovery" in file.read_text()
    ],
)
def test_packages_of_discovery_are_named_literally(module: str) -> None:
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    if module not in COMPUTED:
        parse_module(module, file)
        return
    with pytest.raises(ValueError, match="must name its package literally"):
        parse_module(module, file)
    assert not any(module in modules_of(cls) for cls in stage_classes())


def test_functions_of_discovery_are_imported_by_name() -> None:
    """Otherwise their calls could not be told from others by reading one module."""
    form = re.compile(r"import models\.discovery|from models import .*\bdiscovery\b")
    sources_of = (f for package in FIRST_PARTY for f in (ROOT / package).rglob("*.py"))
    assert [f for f in sources_of if form.search(f.read_text())] == []


CHECKS = ("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "TaskStatisticsGen")
MODEL = (
    "models.multitask",
    "models.trunks",
    "models.sharing",
    "models.balancing",
    "models.tasks.heads",
)
PAGES = "serving.pages"
"""The shell of all HTML pages, which imports nothing of ours. The server has pages too."""


@pytest.mark.parametrize("cls", stage_classes(), ids=lambda cls: cls.__name__)
def test_no_key_is_wider_than_what_the_stage_is_for(cls: type[Stage[Any, Any]]) -> None:
    """Data stages depend on no model, training on no export, and no stage on the pipeline."""
    found, name = modules_of(cls), cls.__name__
    unwanted: tuple[str, ...] = ("pipeline",)
    if name in CHECKS or name == "Transform":
        unwanted += (*MODEL, "components.training", "serving")
    if name in ("Trainer", "Trial", "TaskAffinity"):
        unwanted += ("components.export", "models.inputs.layers.preprocessing", "serving")
    if name in ("Evaluator", "InfraValidator", "Pusher", "BulkInferrer"):
        unwanted += (*MODEL, "components.training")
    assert [m for m in found if m.startswith(unwanted) and m != PAGES] == []


if __name__ == "__main__":
    FILE.write_text(listing())
