"""Batch prediction of files of any format with a pushed model."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from components.artifacts import SourceFiles
from components.data.atomic import replacing
from components.data.digests import digest_tree
from components.errors import RootstockError
from components.inference.bulk_inferrer import BulkInferrer, BulkInferrerInputs
from components.inference.prediction_writers import PredictionFormat
from components.ingestion.readers import Reader
from components.stage import BeamOptions
from pipeline.display import Verbosity, showing
from pipeline.operations.deployment import pushed_versions, whole_version
from pipeline.runner import Runner
from pipeline.spec.sections import Spec
from pipeline.store.place import local
from pipeline.store.store import Store
from pipeline.tracking.events import NoTracker
from serving.versions.destination import destination


def infer(
    spec: Spec,
    sources: Sequence[Reader],
    output: Path,
    output_format: PredictionFormat = "parquet",
    keep: tuple[str, ...] = (),
    version: int | None = None,
    beam: BeamOptions = BeamOptions(),  # noqa: B008 - frozen
    verbosity: Verbosity = "normal",
) -> int:
    """Write the predictions of a pushed version, by default the newest, into a new directory.

    Returns:
        The number of rows.

    Raises:
        RootstockError: no model has been pushed, the directory exists already, or the sources
            cannot be read.
    """
    if output.exists():
        raise RootstockError(f"{output} already exists. Name a new directory for the predictions.")
    store = Store(local(spec.store)).open()
    model = _pushed(spec, version, store.root / "served")
    index = local(spec.store) / "sources"
    with (
        showing(store.root, verbosity) as display,
        Runner(store, NoTracker(), display, beam) as runner,
    ):
        stage = BulkInferrer(
            sources=tuple(sources),
            inputs=tuple(spec.inputs.values()),
            keep=keep,
            output_format=output_format,
            max_bad_fraction=spec.data.max_bad_fraction,
        )
        files = tuple(SourceFiles.of(s, index) for s in sources)
        inputs = BulkInferrerInputs(SourceFiles(model, digest_tree(model)), files)
        predictions = runner(stage, inputs).predictions
    with replacing(output) as new:
        shutil.copytree(predictions.path, new)
    return int(dict(runner.results[-1].figures)["rows"])


def _pushed(spec: Spec, version: int | None, cache: Path) -> Path:
    place = destination(spec.push.destination.reveal(), spec.push.destination)
    known = pushed_versions(place, spec.name)
    chosen = max(known) if version is None else version
    if chosen not in known:
        existing = f"Existing versions: {', '.join(map(str, known))}."
        raise RootstockError(f"{place.location(spec.name)}: no version {chosen}. {existing}")
    return whole_version(place, spec.name, chosen, cache)
