"""Exporter: the SavedModel of a trained model, in the form in which it is served."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.artifacts import Examples, ExportedModel, TrainedModel
from components.data.lazy import np
from components.data.links import link_or_copy
from components.errors import RootstockError
from components.export.portable.base import PortableFormat
from components.export.portable_files import write_portable
from components.export.settings import Export, Weights
from components.stage import Context, Stage
from models.model_files import EXPERTS, RECORD, SOURCE, WEIGHTS
from models.multitask.build import specs_of


@dataclass(frozen=True)
class ExporterInputs:
    """examples: those that the model was trained with; some of them become warm-up requests."""

    model: TrainedModel
    examples: Examples


@dataclass(frozen=True)
class ExporterOutputs:
    model: ExportedModel


@dataclass(frozen=True, kw_only=True)
class Exporter(Stage[ExporterInputs, ExporterOutputs]):
    """Builds the served graph and records the answers that the Keras model gives to some examples.

    weights, xla, formats: see `Export`.
    """

    weights: Weights = "float32"
    xla: bool = False
    formats: tuple[PortableFormat, ...] = ()

    def uses(self, inputs: ExporterInputs) -> tuple[object, ...]:
        return specs_of(inputs.model.path)

    def run(self, inputs: ExporterInputs, context: Context) -> ExporterOutputs:
        """Write the SavedModel.

        Raises:
            RootstockError: the model cannot have this form.
        """
        from components.data.raw import raw_inputs
        from components.export.expected_outputs import first_rows, write_expected
        from components.export.keras_model import load_keras
        from components.export.saved_model import named, write_saved_model

        made = ExportedModel(context.output / "model")
        made.path.mkdir()
        for name in (RECORD, WEIGHTS, EXPERTS):
            if (file := inputs.model.path / name).exists():
                link_or_copy(str(file), str(made.path / name))
        if (source := inputs.model.path / SOURCE).exists():
            shutil.copytree(source, made.path / SOURCE, copy_function=link_or_copy)
        served = load_keras(inputs.model)
        features = served.record.features
        raw = raw_inputs(first_rows(inputs.examples, features), features)
        targets = served.record.targets
        found = {name: v.numpy() for name, v in named(served.details(raw), targets).items()}
        answers = {t.name: found.pop(t.name) for t in targets}
        write_expected(made.expected, raw, answers, found)
        write_saved_model(served, raw, made.saved_model, Export(weights=self.weights, xla=self.xla))
        if self.xla:
            _try_compiling(made.saved_model, {name: values[:1] for name, values in raw.items()})
        if self.formats:
            write_portable(served, self.formats, inputs.examples, made.saved_model)
        context.observer.figure("size_mb", made.size_mb())
        return ExporterOutputs(made)


def _try_compiling(saved_model: Path, row: Mapping[str, np.ndarray]) -> None:
    from models.lazy import tf

    v1 = tf.compat.v1  # its loader knows inputs by their names in the signature
    with tf.Graph().as_default(), v1.Session() as session:
        loaded = v1.saved_model.load(session, ["serve"], str(saved_model))
        signature = loaded.signature_def["serving_default"]
        feeds = {signature.inputs[name].name: values for name, values in row.items()}
        try:
            session.run([output.name for output in signature.outputs.values()], feeds)
        except tf.errors.OpError as e:
            raise RootstockError(f"export.xla: XLA cannot compile this model: {e.message}") from e
