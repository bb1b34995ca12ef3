"""Transform: fits the preprocessing to the training split, and applies it to every split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from components.artifacts import Batches, Examples, Preprocessing, SourceFiles, Statistics
from components.beam.map_units import hand_over, map_units
from components.data.atomic import replacing
from components.data.lazy import np, pa
from components.data.raw import raw_inputs
from components.data.shards import small_batches
from components.errors import RootstockError
from components.stage import Context, Observer, Stage
from components.statistics.column_statistics import load_statistics
from components.transform.batches import write_shard
from components.transform.fit_features import fit_features
from components.transform.preprocessing_file import load_preprocessing, save_preprocessing
from models.inputs.base import Feature, Input
from models.inputs.encodings import Reading, Words
from models.lazy import tf

CUT_MANY = 0.05
"""Share of cut texts above which there is a warning."""


@dataclass(frozen=True)
class TransformInputs:
    """The files are inputs so that their content counts in the fingerprint.

    pretrained: what `Transform.reading` reads. modules: the user's files of inputs.
    """

    examples: Examples
    statistics: Statistics
    pretrained: tuple[SourceFiles, ...] = ()
    modules: tuple[SourceFiles, ...] = ()


@dataclass(frozen=True)
class TransformOutputs:
    preprocessing: Preprocessing
    batches: Batches


@dataclass(frozen=True, kw_only=True)
class Transform(Stage[TransformInputs, TransformOutputs]):
    """Runs the preprocessing graph of the served model once, instead of in every epoch.

    reading: how the trunk wants its inputs prepared.
    """

    inputs: tuple[Input, ...]
    reading: Reading = field(default_factory=Words)

    def run(self, inputs: TransformInputs, context: Context) -> TransformOutputs:
        examples = inputs.examples
        train = load_statistics(inputs.statistics)["train"]
        fitted = context.scratch / "preprocessing"
        if not fitted.exists():  # a run that was killed leaves it, with shards made from it
            features = fit_features(self.inputs, self.reading, examples, train, context)
            with replacing(fitted) as new:
                new.mkdir()
                save_preprocessing(features, new)
        features = load_preprocessing(Preprocessing(fitted))

        done = context.scratch / "batches"
        shards = [
            (split, file, done / split / f"{file.stem}.arrow")
            for split in examples.splits()
            for file in examples.shards(split)
        ]
        for split in examples.splits():
            (done / split).mkdir(parents=True, exist_ok=True)
        work = partial(transform_shard, features=features)
        # One thread per worker: TensorFlow has threads of its own.
        rows, cuts = 0, Counter[str]()
        for shard in map_units("transform", shards, work, context, threads=1):
            rows += shard.rows
            cuts.update(shard.cuts)

        preprocessing, batches = context.output / "preprocessing", context.output / "batches"
        preprocessing.mkdir()
        save_preprocessing(features, preprocessing)
        hand_over("transform", done, batches, context)
        context.observer.figure("rows", rows)
        for f in features:
            if f.known_values is not None:
                context.observer.figure(f"{f.name} vocabulary", f.known_values)
            if f.compresses:
                context.observer.figure(f"{f.name} outliers", "compressed")
            if f.read_limit:
                _report_cuts(f, cuts[f.name] / max(rows, 1), context.observer)
        return TransformOutputs(Preprocessing(preprocessing), Batches(batches))


def _report_cuts(feature: Feature, share: float, observer: Observer) -> None:
    """Say how much of each value is read, and how often that is not all. share: of rows, cut."""
    cut = f"{share:.1%} of texts cut"
    observer.figure(f"{feature.name} length", f"{feature.read_limit}, {cut}")
    if share > CUT_MANY:
        observer.warn(
            f"inputs.{feature.name}: {cut}: only their first {feature.read_limit} are read. If the"
            f" rest matters, raise {feature.read_limit_key}."
        )


@dataclass(frozen=True)
class Transformed:
    """A shard. cuts: by feature, the number of its rows that are cut to fit."""

    rows: int
    cuts: Mapping[str, int]


def transform_shard(
    index: int, item: tuple[str, Path, Path], *, features: tuple[Feature, ...]
) -> Transformed:
    """Preprocess one shard of examples into one file of batches."""
    split, source, target = item
    columns: dict[str, list[np.ndarray]] = {f.name: [] for f in features}
    rows, cuts = 0, Counter[str]()
    for batch in small_batches(source, (f.column for f in features)):
        place = f"examples, {split}, shard {source.stem}"
        preprocessed, cut = _preprocessed(batch, features, place, rows)
        for name, values in preprocessed.items():
            columns[name].append(values)
        cuts.update(cut)
        rows += batch.num_rows
    with replacing(target) as new:
        write_shard(new, {name: np.concatenate(parts) for name, parts in columns.items()}, features)
    return Transformed(rows, dict(cuts))


def _preprocessed(
    batch: pa.RecordBatch, features: tuple[Feature, ...], place: str, before: int
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """Preprocessed arrays of a batch, and how many rows of each feature are cut to fit.

    before: rows of the shard before it.

    Raises:
        RootstockError: TensorFlow cannot decode an image that passed ExampleGen, or the values are
            such that no model can learn from them; the message names the row.
    """
    apply = _function(features)

    def applied(rows: pa.RecordBatch) -> tuple[dict[str, np.ndarray], dict[str, int]]:
        raw = raw_inputs(rows, features)
        tensors = {f.name: tf.constant(raw[f.name], f.raw_dtype) for f in features}
        columns, cuts = apply(tensors)
        counts = {name: int(cut) for name, cut in cuts.items()}
        return {name: value.numpy() for name, value in columns.items()}, counts

    try:
        columns, cuts = applied(batch)
    except tf.errors.InvalidArgumentError as whole:
        for row in range(batch.num_rows):
            try:
                applied(batch.slice(row, 1))
            except tf.errors.InvalidArgumentError as e:
                problem = f"cannot be preprocessed: {_reason(e)}"
                raise RootstockError(f"{place}, row {before + row}: {problem}") from e
        raise RootstockError(f"{place}: cannot be preprocessed: {_reason(whole)}") from whole
    for f in features:
        if (invalid := f.invalid_row(columns[f.name])) is not None:
            row, problem = invalid
            raise RootstockError(f"{place}, row {before + row}: inputs.{f.name}: {problem}")
    return columns, cuts


def _reason(error: tf.errors.InvalidArgumentError) -> str:
    """What our own assertion says, or TensorFlow's message without the places in the graph."""
    message = str(error.message)
    if ours := re.search(r"assertion failed: \[(.*)\]", message):
        return ours[1].strip("'")
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    said = [x for x in lines if not x.startswith(("File ", "Detected at", "Graph ", "[[", "(1)"))]
    return " ".join(said) or message


@lru_cache(maxsize=2)
def _function(features: tuple[Feature, ...]) -> Any:
    """The preprocessing with its cuts, as a traced function, built once per process."""
    from models.inputs.layers.preprocessing import Preprocessing

    module = Preprocessing(features)
    signature = {f.name: tf.TensorSpec([None], f.raw_dtype) for f in features}
    return tf.function(module.counting_cuts, input_signature=[signature])
