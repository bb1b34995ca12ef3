"""Exporter: a trained model's SavedModel in another form, smaller or compiled."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts import TrainedModel
from components.errors import RootstockError
from components.export.expected_outputs import read_expected
from components.export.settings import Export, Weights
from components.stage import Context, Stage
from serving.wire.errors import ServingError

if TYPE_CHECKING:
    import numpy as np


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

    weights: Weights
    xla: bool

    def run(self, inputs: ExporterInputs, context: Context) -> ExporterOutputs:
        """See `Stage.run`.

        Raises:
            RootstockError: the model cannot take this form.
        """
        from components.export.saved_model import write_saved_model
        from components.training.trained_model import load_keras

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
