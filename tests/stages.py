"""Every stage class, found by discovery, and an example of each."""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import components
from components.ingestion.readers.delimited import CsvReader
from components.stage import Stage
from components.training.recipe import Recipe
from models.inputs.numeric import NumericFeature, NumericInput
from models.pretraining.language_model import LanguageModel
from models.tasks.base import TaskTarget
from models.tasks.binary import BinaryTask

ROOT = Path(components.__file__).parents[1]
TASK = BinaryTask(name="income", label="rich", positive=("yes",))
INPUT = NumericInput(name="hours", column="hours")
RECIPE = Recipe(tasks=(TASK,))
RECORD = RECIPE.record(
    (NumericFeature(name="hours", column="hours", mean=0.0, deviation=1.0),),
    (TaskTarget(task=TASK, classes=("negative", "positive")),),
)
EXAMPLES: Mapping[str, Any] = {
    "sources": (CsvReader(path="rows.csv"),),
    "inputs": (INPUT,),
    "tasks": (TASK,),
    "drawn_by": TASK,
    "recipe": RECIPE,
    "method": LanguageModel(),
    "trunk": RECIPE.trunk,
    "columns": ("name",),
    "destination": "served",
    "model": "income",
    "shares": (0.5, 0.5),
}
"""Values of required parameters, by name. A stage with another one needs an entry."""


def stage_classes() -> list[type[Stage[Any, Any]]]:
    """All concrete subclasses of `Stage` in `components`, by name."""
    classes = [
        cls
        for file in sorted(Path(components.__file__).parent.rglob("*.py"))
        if "Stage[" in file.read_text()
        for cls in vars(importlib.import_module(_module_of(file))).values()
        if inspect.isclass(cls) and issubclass(cls, Stage) and not inspect.isabstract(cls)
    ]
    return sorted(set(classes), key=lambda cls: cls.__name__)


def example(cls: type[Stage[Any, Any]]) -> Stage[Any, Any]:
    """A stage with its defaults where it has some, and with `EXAMPLES` elsewhere."""
    required = [
        f.name
        for f in fields(cls)  # type: ignore[arg-type]
        if f.default is MISSING and f.default_factory is MISSING
    ]
    return cls(**{name: EXAMPLES[name] for name in required})


def inputs_and_outputs(cls: type[Stage[Any, Any]]) -> tuple[type[Any], type[Any]]:
    """The classes that a stage's `run` takes and returns, from its annotations."""
    hints = get_type_hints(cls.run)
    return hints["inputs"], hints["return"]


def types_of(side: type[Any]) -> set[type[Any]]:
    """The types in the annotations of inputs or outputs, without None and "…"."""
    pending: list[Any] = list(get_type_hints(side).values())
    types: set[type[Any]] = set()
    while pending:
        hint = pending.pop()
        pending += get_args(hint)
        if not get_args(hint) and hint not in (type(None), ...):
            types.add(hint)
    return types


def _module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts)
