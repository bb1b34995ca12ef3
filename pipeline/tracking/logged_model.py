"""A trained model in MLflow's format: the SavedModel with signature, requirements and example.

Its files lie where `mlflow.keras` puts those of a model in exported format, so that
`mlflow.pyfunc`, `mlflow.tensorflow` and `mlflow.keras` all load it.

Without MLflow's `log_model`, which infers requirements by loading the model in a new process: that
takes longer than a small training, and here nothing imports TensorFlow.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING

from components.artifacts import ExportedModel
from components.export.expected_outputs import read_expected
from models.description import read_description
from models.inputs.base import Feature, RawType
from models.tasks.base import TaskTarget
from pipeline.tracking import served_model

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

LOADER = "rootstock_served_model"
DATA = "data"
SAVED_MODEL = f"{DATA}/{served_model.SAVED_MODEL}"
"""The folder of the SavedModel in a logged model."""
EXAMPLE = "input_example.json"
EXAMPLE_INFO = {"artifact_path": EXAMPLE, "type": "dataframe", "pandas_orient": "split"}
EXAMPLE_ROWS = 5
MLFLOW_TYPES: Mapping[RawType, str] = {"bytes": "binary", "text": "string"}
"""Numbers have any type: as `double`, MLflow would refuse the whole numbers that pandas reads. So
have categories that pandas may read as numbers or bools.
"""
REQUIREMENTS = ("mlflow", "tensorflow", "pandas", "numpy")


def write_model(trained: ExportedModel, model_id: str, run_id: str, directory: Path) -> None:
    """Write an MLflow model, except its `SAVED_MODEL`, into an empty directory.

    The model has the flavours `python_function`, `tensorflow` and `keras`. The latter two give the
    SavedModel as TensorFlow loads it.
    """
    from mlflow.models import Model

    record = read_description(trained.path)
    requirements = [f"{p}=={version(p)}" for p in REQUIREMENTS]
    (directory / "requirements.txt").write_text("\n".join(requirements) + "\n")
    environment = f"python: {python_version()}\ndependencies:\n- -r requirements.txt\n"
    (directory / "python_env.yaml").write_text(environment)
    (directory / DATA).mkdir()
    answers = json.dumps([asdict(a) for a in answers_of(record.targets)])
    (directory / DATA / served_model.ANSWERS).write_text(answers.replace("<", "\\u003c"))
    (directory / "code").mkdir()
    shutil.copy(served_model.__file__, directory / "code" / f"{LOADER}.py")
    example = json.dumps(_example(trained, record.features)).replace("<", "\\u003c")
    (directory / EXAMPLE).write_text(example)  # browsers may open it

    model = Model(
        run_id=run_id,
        model_id=model_id,
        signature=signature_of(record.features, record.targets, record.radii.keys()),
        saved_input_example_info=EXAMPLE_INFO,
        metadata={"classes": {t.name: list(t.classes) for t in record.targets if t.classes}},
    )
    model.add_flavor(
        "python_function",
        loader_module=LOADER,
        code="code",
        data=DATA,
        env={"virtualenv": "python_env.yaml"},
        python_version=python_version(),
    )
    module = {"model_type": "tf2-module", "saved_model_dir": SAVED_MODEL}
    model.add_flavor("tensorflow", **module)
    exported = {"data": DATA, "save_exported_model": True, "keras_version": version("keras")}
    # `mlflow.tensorflow` reads this flavour, too, if a model has it
    model.add_flavor("keras", keras_backend="tensorflow", **exported, **module)
    model.save(str(directory / "MLmodel"))


def answers_of(targets: Sequence[TaskTarget]) -> list[served_model.Answer]:
    return [
        served_model.Answer(
            name=t.name, classes=t.classes, several=t.task.several, decision=t.decision
        )
        for t in targets
    ]


def signature_of(
    features: Sequence[Feature], targets: Sequence[TaskTarget], covered: Collection[str] = ()
) -> ModelSignature:
    """Columns of the raw inputs, and of the answers: see `served_model.columns_of`.

    covered: tasks with intervals or sets.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType, Array

    inputs = [
        ColSpec(AnyType() if _may_be_numbers(f) else MLFLOW_TYPES[f.raw], f.name) for f in features
    ]
    outputs = []
    for target in targets:
        name, one = target.name, DataType.string if target.classes else DataType.float
        outputs.append(ColSpec(Array(one) if target.task.several else one, name))
        if target.classes and not target.task.several:
            outputs.append(ColSpec(DataType.float, f"{name}_probability"))
        if name in covered and target.classes:
            outputs.append(ColSpec(Array(DataType.string), f"{name}_set"))
        elif name in covered:
            outputs += [ColSpec(DataType.float, f"{name}_{bound}") for bound in ("lower", "upper")]
    asked = ParamSchema([ParamSpec(served_model.PROBABILITIES, DataType.boolean, False)])
    return ModelSignature(Schema(inputs), Schema(outputs), asked)


def _may_be_numbers(feature: Feature) -> bool:
    """Whether numbers and bools of pandas have the values that training saw.

    Not where a category is "007": pandas would read 7, so MLflow should refuse it.
    """
    if feature.raw == "number":
        return True
    read = [(choice, _as_pandas_reads(choice)) for choice in feature.choices]
    changed = [(choice, value) for choice, value in read if not isinstance(value, str)]
    return bool(changed) and all(served_model.text_of(value) == c for c, value in changed)


def _as_pandas_reads(text: str) -> bool | float | str:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _example(trained: ExportedModel, features: Sequence[Feature]) -> Mapping[str, object]:
    raw, _ = read_expected(trained.expected)
    columns = [[_cell(f, v) for v in raw[f.name][:EXAMPLE_ROWS]] for f in features]
    return {"columns": [f.name for f in features], "data": list(zip(*columns, strict=True))}


def _cell(feature: Feature, value: bytes | float) -> str | float | None:
    """A raw value as MLflow's examples spell it."""
    if isinstance(value, bytes):
        return value.decode() if feature.raw == "text" else base64.b64encode(value).decode()
    return float(value) if value == value else None  # a missing number
