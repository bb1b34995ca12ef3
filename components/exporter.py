"""Exporter: a trained model's SavedModel in another form, smaller or compiled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from components.artifacts import TrainedModel
from components.expected import read_expected
from components.stage import Context, RootstockError, Stage
from models.inputs import STRICT
from serving.errors import ServingError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Export:
    """In which form a model is served.

    weights: of matrices in the SavedModel; computing stays float32. Half the size on disk and in
        memory, and a little slower on a CPU. float16 has the finer steps, bfloat16 float32's range.
    xla: compile the graph behind preprocessing for each batch size that is asked for, when first
        asked: a server should pad to few sizes.
    tolerance: how far an answer may be from Keras's in float32, absolutely and relatively; 1e-5
        with weights in float32 and 0.01 otherwise, when absent. The thresholds hold for the
        exported model in any case.
    """

    __pydantic_config__ = STRICT
    weights: Literal["float32", "float16", "bfloat16"] = "float32"
    xla: bool = False
    tolerance: Annotated[float, Field(gt=0)] | None = None

    @property
    def allowed(self) -> float:
        """The tolerance that holds."""
        return self.tolerance or (1e-5 if self.weights == "float32" else 0.01)

    @property
    def as_trained(self) -> bool:
        """Whether the Trainer's own SavedModel is meant."""
        return self.weights == "float32" and not self.xla


@dataclass(frozen=True)
class ExporterInputs:
    model: TrainedModel


@dataclass(frozen=True)
class ExporterOutputs:
    """model: the same, but for its SavedModel."""

    model: TrainedModel


@dataclass(frozen=True, kw_only=True)
class Exporter(Stage[ExporterInputs, ExporterOutputs]):
    """Everything but the SavedModel is that of the model given."""

    weights: Literal["float32", "float16", "bfloat16"]
    xla: bool

    def run(self, inputs: ExporterInputs, context: Context) -> ExporterOutputs:
        """See `Stage.run`.

        Raises:
            RootstockError: the model cannot take this form.
        """
        from components.export import write_saved_model
        from components.trained_model import load_keras

        directory = context.output / "model"
        shutil.copytree(
            inputs.model.path,
            directory,
            copy_function=_linked,
            ignore=lambda at, _: ["saved_model"] if Path(at) == inputs.model.path else [],
        )
        made = TrainedModel(directory)
        raw, _ = read_expected(directory / "expected.parquet")
        form = Export(weights=self.weights, xla=self.xla)
        write_saved_model(load_keras(inputs.model), raw, made.saved_model, form)
        if self.xla:
            _try_compiling(made.saved_model, {name: values[:1] for name, values in raw.items()})
        for name, path in (("size_mb", made), ("before_mb", inputs.model)):
            context.observer.figure(name, round(_size(path.saved_model) / 1e6, 3))
        return ExporterOutputs(made)


def _linked(source: str, target: str) -> None:
    """Artifacts never change, so a second name for a file is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _try_compiling(saved_model: Path, row: Mapping[str, np.ndarray]) -> None:
    from serving.server.saved_model import SavedModel

    model = SavedModel(saved_model)
    try:
        model.predict("serving_default", row)
    except ServingError as e:
        raise RootstockError(f"export.xla: XLA cannot compile this model: {e}") from e
    finally:
        model.close()


def _size(directory: Path) -> int:
    return sum(p.stat().st_size for p in directory.rglob("*") if p.is_file())
