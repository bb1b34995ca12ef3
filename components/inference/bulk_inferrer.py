"""BulkInferrer: predictions of a served model for all rows of some sources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts import Predictions, Quarantine, SourceFiles
from components.data.lazy import np, pa
from components.errors import RootstockError
from components.inference.prediction_writers import PredictionFormat
from components.ingestion.quarantine import SourceUnit, quarantine_records, source_units
from components.ingestion.readers.base import BadRecord, Reader
from components.stage import Context, Stage
from models.inputs.base import Input
from serving.wire.errors import ServingError
from serving.wire.names import DEFAULT_SIGNATURE, DETAILED, UNCALIBRATED

if TYPE_CHECKING:
    from serving.server.saved_model import SavedModel

BATCH_ROWS = 256


@dataclass(frozen=True)
class BulkInferrerInputs:
    """model: the directory of a SavedModel. files: of each source."""

    model: SourceFiles
    files: tuple[SourceFiles, ...]


@dataclass(frozen=True)
class BulkInferrerOutputs:
    predictions: Predictions
    quarantine: Quarantine


@dataclass(frozen=True, kw_only=True)
class BulkInferrer(Stage[BulkInferrerInputs, BulkInferrerOutputs]):
    """Writes one file of predictions per unit of reading, with its rows in the same order.

    Beside the answers it writes what is decided of them, and intervals and sets of a task with
    `coverage`: columns `predicted_<task>.<what>`, see `MultitaskParts.details`.

    inputs: of the model, with the columns that they read.
    keep: columns to copy to the predictions. If empty, these are the key columns of the source's
        format or, if it has none, all columns that the model does not read.
    """

    sources: tuple[Reader, ...]
    inputs: tuple[Input, ...]
    keep: tuple[str, ...] = ()
    output_format: PredictionFormat = "parquet"
    max_bad_fraction: float = 0.0

    def run(self, inputs: BulkInferrerInputs, context: Context) -> BulkInferrerOutputs:
        """Predict.

        Raises:
            RootstockError: a column is missing, or the model has other inputs.
        """
        from components.beam.map_units import hand_over, map_units

        units = source_units(self.sources, inputs.files)
        written = context.scratch / "written"
        written.mkdir(exist_ok=True)
        work = partial(
            infer_unit,
            inputs=self.inputs,
            keep=self.keep,
            output_format=self.output_format,
            directory=str(written),
        )
        load = partial(load_model, str(inputs.model.path))
        results = map_units("inferred", units, work, context, threads=1, model=load)
        rows = sum(count for count, _ in results)
        bad = [(u, r) for u, (_, records) in zip(units, results, strict=True) for r in records]
        quarantine = quarantine_records(bad, rows, self.max_bad_fraction, context)
        hand_over("inferred", written, context.output / "predictions", context)
        context.observer.figure("rows", rows)
        return BulkInferrerOutputs(Predictions(context.output / "predictions"), quarantine)


def infer_unit(
    index: int,
    item: SourceUnit,
    model: SavedModel,
    *,
    inputs: tuple[Input, ...],
    keep: tuple[str, ...],
    output_format: PredictionFormat,
    directory: str,
) -> tuple[int, list[BadRecord]]:
    """Write the predictions of a unit. Returns the number of its rows, and its bad records."""
    from components.inference.prediction_writers import prediction_writer

    read = {spec.column for spec in inputs}
    others = tuple(name for name in item.schema.names if name not in read)
    kept = keep or item.source.default_key or others
    for name in kept:
        if name not in item.schema.names:
            raise RootstockError(
                f"{item.source.place}: no column {name!r} to keep. Columns there:"
                f" {', '.join(item.schema.names)}."
            )
    writer = prediction_writer(Path(directory), index, output_format)
    rows, bad = 0, []
    for batch in item.source.read(item.unit, item.schema):
        if isinstance(batch, BadRecord):
            bad.append(batch)
            continue
        for start in range(0, batch.num_rows, BATCH_ROWS):
            part = batch.slice(start, BATCH_ROWS)
            writer.write(_predicted(part, model, inputs, kept, item.source.place))
        rows += batch.num_rows
    writer.close()
    return rows, bad


def load_model(path: str) -> SavedModel:
    """Load a model as the embedded server does.

    Raises:
        RootstockError: it cannot be loaded.
    """
    from serving.server.saved_model import SavedModel

    try:
        return SavedModel(Path(path))
    except ServingError as e:
        raise RootstockError(f"{path}: cannot be loaded: {e}") from e


def _predicted(
    batch: pa.RecordBatch,
    model: SavedModel,
    inputs: tuple[Input, ...],
    kept: tuple[str, ...],
    place: str,
) -> pa.RecordBatch:
    from components.data.raw import raw_inputs

    try:
        signature = DETAILED if DETAILED in model.signatures else DEFAULT_SIGNATURE
        answers = model.predict(signature, raw_inputs(batch, inputs))
    except (RootstockError, ServingError) as e:
        raise RootstockError(f"{place}: {e}") from e
    columns = {name: batch.column(name) for name in kept}
    for task, answer in sorted(answers.items()):
        if task.endswith(UNCALIBRATED):
            continue
        flat = answer.reshape(len(answer), -1)
        if flat.dtype == object:
            flat = np.array([[v.decode() for v in row] for row in flat.tolist()], object)
        single = flat.shape[1] == 1
        columns[f"predicted_{task}"] = pa.array(flat[:, 0] if single else list(flat))
    return pa.RecordBatch.from_pydict(columns)
