"""A trained model in MLflow's format: the SavedModel with signature, requirements and example.

Without MLflow's `log_model`, which infers requirements by loading the model in a new process: that
takes longer than a small training, and here nothing imports TensorFlow.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Mapping, Sequence
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
EXAMPLE = "input_example.json"
EXAMPLE_INFO = {"artifact_path": EXAMPLE, "type": "dataframe", "pandas_orient": "split"}
EXAMPLE_ROWS = 5
MLFLOW_TYPES: Mapping[RawType, str] = {"bytes": "binary", "text": "string", "number": "double"}
REQUIREMENTS = ("mlflow", "tensorflow", "pandas", "numpy")


def write_model(trained: ExportedModel, model_id: str, run_id: str, directory: Path) -> None:
    """Write an MLflow model, except its `saved_model/`, into an empty directory.

    The model has the flavours `python_function` and `tensorflow`.
    """
    from mlflow.models import Model

    record = read_description(trained.path)
    requirements = [f"{p}=={version(p)}" for p in REQUIREMENTS]
    (directory / "requirements.txt").write_text("\n".join(requirements) + "\n")
    environment = f"python: {python_version()}\ndependencies:\n- -r requirements.txt\n"
    (directory / "python_env.yaml").write_text(environment)
    (directory / "code").mkdir()
    shutil.copy(served_model.__file__, directory / "code" / f"{LOADER}.py")
    example = json.dumps(_example(trained, record.features)).replace("<", "\\u003c")
    (directory / EXAMPLE).write_text(example)  # browsers may open it

    model = Model(
        run_id=run_id,
        model_id=model_id,
        signature=signature_of(record.features, record.targets),
        saved_input_example_info=EXAMPLE_INFO,
        metadata={"classes": {t.name: list(t.classes) for t in record.targets if t.classes}},
    )
    model.add_flavor(
        "python_function",
        loader_module=LOADER,
        code="code",
        data="saved_model",
        env={"virtualenv": "python_env.yaml"},
        python_version=python_version(),
    )
    model.add_flavor("tensorflow", model_type="tf2-module", saved_model_dir="saved_model")
    model.save(str(directory / "MLmodel"))


def signature_of(features: Sequence[Feature], targets: Sequence[TaskTarget]) -> ModelSignature:
    """Columns of the raw inputs, and one of answers for each task: a number, or one per class."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array

    inputs = [ColSpec(MLFLOW_TYPES[f.raw], f.name) for f in features]
    outputs = [
        ColSpec(DataType.float if t.task.answer == "number" else Array(DataType.float), t.name)
        for t in sorted(targets, key=lambda t: t.name)
    ]
    return ModelSignature(Schema(inputs), Schema(outputs))


def _example(trained: ExportedModel, features: Sequence[Feature]) -> Mapping[str, object]:
    raw, _ = read_expected(trained.expected)
    columns = [[_cell(f, v) for v in raw[f.name][:EXAMPLE_ROWS]] for f in features]
    return {"columns": [f.name for f in features], "data": list(zip(*columns, strict=True))}


def _cell(feature: Feature, value: bytes | float) -> str | float | None:
    """A raw value as MLflow's examples spell it."""
    if isinstance(value, bytes):
        return value.decode() if feature.raw == "text" else base64.b64encode(value).decode()
    return float(value) if value == value else None  # a missing number
