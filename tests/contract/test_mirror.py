"""`tests/unit` mirrors the source: a reader of a module finds its tests in the same place.

A module `a/b/c.py` is tested in one of four ways, and the first that applies counts:

1. `tests/unit/a/b/test_c.py`, or `test_c_<aspect>.py` beside it;
2. as a member of a family whose contract suite finds it by discovery (`FAMILIES`);
3. by a test that imports it;
4. through the code that uses it (`THROUGH`), which names the tests that run it.
"""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("components", "models", "pipeline", "rootstock", "serving")
FAMILIES = {
    "components/evaluation/metrics": "test_task_kinds.py",
    "components/ingestion/readers": "test_readers.py",
    "components/inputs": "test_input_kinds.py",
    "components/labels": "test_task_kinds.py",
    "components/transform/fit": "test_input_kinds.py",
    "models/balancing/bilevel": "test_balancing.py",
    "models/balancing/gradient_based": "test_gradient_balancing.py",
    "models/balancing/loss_based": "test_balancing.py",
    "models/inputs": "test_input_kinds.py",
    "models/sharing": "test_sharing.py",
    "models/tasks": "test_task_kinds.py",
    "models/transfer": "test_transfer.py",
    "models/trunks": "test_trunks.py",
    "pipeline/auto/portfolio": "test_portfolio.py",
}
"""Folders whose modules a suite in `tests/contract` finds by itself."""

THROUGH = {
    "tests/contract/test_gradient_balancing.py": (
        "models.balancing.math.cosines",
        "models.balancing.math.newton",
        "models.balancing.math.random_order",
        "models.balancing.math.state",
        "models.balancing.math.weighted_sum",
    ),
    "tests/unit/components/beam/test_map_units.py": ("components.beam.worker_processes",),
    "tests/unit/components/ingestion/test_example_gen.py": (
        "components.ingestion.columns",
        "components.ingestion.quarantine",
    ),
    "tests/unit/components/inference/test_bulk_inferrer.py": (
        "components.beam.inference",
        "pipeline.operations.infer",
    ),
    "tests/unit/components/export/test_exporter.py": ("components.export.saved_model",),
    "tests/unit/components/training/test_trainer.py": (
        "components.training.epochs",
        "components.training.length_groups",
        "models.multitask.epoch_totals",
        "models.multitask.methods",
        "models.multitask.parts",
    ),
    "tests/unit/components/validation/test_example_validator.py": (
        "components.validation.input_checks",
        "components.validation.task_checks",
    ),
    "tests/unit/components/transform/test_transform.py": ("components.transform.fit_features",),
    "tests/integration/test_auto.py": ("pipeline.auto.record",),
    "tests/integration/test_spans.py": ("components.ingestion.span_merger",),
    "tests/unit/pipeline/spec/test_sections.py": (
        "pipeline.spec.messages",
        "pipeline.spec.metrics",
        "pipeline.spec.part",
        "pipeline.spec.paths",
        "pipeline.spec.study",
    ),
    "tests/unit/pipeline/cli/test_main.py": ("pipeline.cli.arguments",),
    "tests/integration/test_study.py": (
        "pipeline.advise.run",
        "pipeline.study.arms",
        "pipeline.study.candidates",
        "pipeline.study.claims",
        "pipeline.study.report.numbers",
        "pipeline.study.report.sentences",
        "pipeline.study.run",
        "pipeline.study.speed",
        "pipeline.worker_pool",
    ),
    "tests/integration/test_trunks_between_specs.py": ("pipeline.operations.publish",),
    "tests/integration/test_mlflow.py": (
        "pipeline.operations.record_group",
        "pipeline.tracking.datasets",
        "pipeline.tracking.groups",
    ),
    "tests/integration/test_tune.py": ("pipeline.tune.record", "pipeline.tune.space"),
}
"""Modules that no test imports, by the tests that run them. This table may only get shorter."""


def sources() -> list[Path]:
    files = (f for package in PACKAGES for f in (ROOT / package).rglob("*.py"))
    return sorted(f.relative_to(ROOT) for f in files if not f.stem.startswith("__"))


def module_of(source: Path) -> str:
    return ".".join(source.with_suffix("").parts)


def unit_tests() -> list[Path]:
    unit = ROOT / "tests" / "unit"
    return sorted(f.relative_to(unit) for f in unit.rglob("test_*.py"))


def subject(test: Path) -> Path | None:
    """The module or folder that a unit test is about, by its name; None where there is none."""
    words = test.stem.removeprefix("test_").split("_")
    names = ("_".join(words[:n]) for n in range(len(words), 0, -1))
    places = (test.parent / name for name in names)
    return next((p for p in places if is_source(p)), None)


def is_source(place: Path) -> bool:
    return (ROOT / place).with_suffix(".py").is_file() or (ROOT / place).is_dir()


def imported() -> set[str]:
    """The modules that tests import, and those that they start with `python -m`."""
    names = set()
    for file in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.List):
                words = [e.value for e in node.elts if isinstance(e, ast.Constant)]
                names |= {str(after) for word, after in pairwise(words) if word == "-m"}
    return names


@pytest.mark.parametrize("test", unit_tests(), ids=str)
def test_a_unit_test_lies_where_its_module_lies(test: Path) -> None:
    assert subject(test) is not None, (
        f"tests/unit/{test} mirrors no module and no folder. Expected the name of one in"
        f" {test.parent}/, such as test_<module>.py or test_<module>_<aspect>.py."
    )


def test_every_module_is_tested() -> None:
    mirrored = {subject(test) for test in unit_tests()}
    through = {module for modules in THROUGH.values() for module in modules}
    named = imported()
    untested = [
        module_of(source)
        for source in sources()
        if source.with_suffix("") not in mirrored
        and not any(source.is_relative_to(folder) for folder in FAMILIES)
        and module_of(source) not in named | through
    ]
    assert not untested, (
        f"No test is of {', '.join(untested)}: add tests/unit/<path>/test_<name>.py"
    )


def test_the_tables_hold_what_is_there() -> None:
    modules = {module_of(source) for source in sources()}
    named = imported()
    for test, through in THROUGH.items():
        assert (ROOT / test).is_file(), f"{test} is not there"
        assert not set(through) - modules, f"not there: {sorted(set(through) - modules)}"
        assert not set(through) & named, f"imported by a test: {sorted(set(through) & named)}"
    for folder, suite in FAMILIES.items():
        assert (ROOT / folder).is_dir()
        assert (ROOT / "tests" / "contract" / suite).is_file(), f"{suite} is not there"
