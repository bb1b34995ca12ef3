"""Transform: the state of the features from training data, and every split preprocessed with it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.artifacts import Batches, Examples, Preprocessing, SourceFiles, Statistics
from components.errors import RootstockError
from components.stage import Context, Stage
from components.statistics.column_fit import column_of
from components.statistics.column_statistics import SplitStatistics, load_statistics
from components.transform.fit_features import feature_of, features_as_trained
from components.transform.fit_layer import layer_state
from components.transform.preprocessing_file import load_preprocessing, save_preprocessing
from models.inputs.encodings import AsTrained, Reading, Words
from models.inputs.features import Feature, LayerFeature, reads_numbers
from models.inputs.spec import Cleaning, Input, LayerInput, TextInput

if TYPE_CHECKING:
    import pyarrow as pa

    from components.statistics.sketches import CountedValues

BATCH_ROWS = 1024
Cleaned = tuple[str, tuple[Cleaning, ...]]
"""A text column and what is cleaned out of it."""


@dataclass(frozen=True)
class TransformInputs:
    """pretrained: the files that `Transform.reading` reads. modules: those of inputs with layers.
    Both so that their content counts.
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
    """Applies the TensorFlow graph that the served model holds, once instead of every epoch.

    reading: how the trunk wants its inputs prepared.
    """

    inputs: tuple[Input, ...]
    reading: Reading = field(default_factory=Words)

    def run(self, inputs: TransformInputs, context: Context) -> TransformOutputs:
        from components.beam.map_units import hand_over, map_units

        examples = inputs.examples
        train = load_statistics(inputs.statistics)["train"]
        for given in self.inputs:
            column_of(given, train)
        known = context.scratch / "preprocessing"
        if not known.exists():  # else a run that was killed has left it, beside shards made with it
            features = self._features(examples, train, context)
            new = context.scratch / f".preprocessing-{uuid.uuid4().hex}"
            new.mkdir()
            save_preprocessing(features, new)
            new.replace(known)
        features = load_preprocessing(Preprocessing(known))

        done = context.scratch / "batches"
        shards = [
            (split, file, done / split / f"{file.stem}.arrow")
            for split in examples.splits()
            for file in examples.shards(split)
        ]
        for split in examples.splits():
            (done / split).mkdir(parents=True, exist_ok=True)
        work = partial(transform_shard, features=features)
        found = map_units("transform", shards, work, context, threads=1)  # TensorFlow has its own
        rows = sum(found)

        preprocessing, batches = context.output / "preprocessing", context.output / "batches"
        preprocessing.mkdir()
        save_preprocessing(features, preprocessing)
        hand_over("transform", done, batches, context)
        context.observer.figure("rows", rows)
        for f in features:
            if f.kind in ("text", "categorical"):
                context.observer.figure(f"{f.name} vocabulary", len(f.vocabulary))
        return TransformOutputs(Preprocessing(preprocessing), Batches(batches))

    def _features(
        self, examples: Examples, train: SplitStatistics, context: Context
    ) -> tuple[Feature, ...]:
        if isinstance(self.reading, AsTrained):
            return features_as_trained(self.inputs, self.reading)
        vocabularies = self._vocabularies(examples, context)
        return tuple(
            layer_state(i, examples)
            if isinstance(i, LayerInput)
            else feature_of(i, train, vocabularies, self.reading)
            for i in self.inputs
        )

    def _vocabularies(self, examples: Examples, context: Context) -> dict[str, tuple[str, ...]]:
        """Words of each text input by its name: most frequent in training first, then by word."""
        from components.beam.map_units import map_units

        columns = {i.name: (i.column, i.clean) for i in self.inputs if isinstance(i, TextInput)}
        if not columns or not isinstance(self.reading, Words):
            return {}
        work = partial(count_words, columns=tuple(dict.fromkeys(columns.values())))
        parts = map_units("words", examples.shards("train"), work, context, threads=1)
        total: dict[Cleaned, CountedValues] = {}
        for part in parts:
            for column, counted in part.items():
                if total.setdefault(column, counted) is not counted:
                    total[column].merge(counted)
        ranked = {column: _ranked(counted) for column, counted in total.items()}
        return {name: ranked[column] for name, column in columns.items()}


def count_words(
    index: int, file: Path, *, columns: tuple[Cleaned, ...]
) -> dict[Cleaned, CountedValues]:
    """Words of text columns in one shard, cleaned and split as the served graph does it."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from components.data.casting import texts
    from components.statistics.sketches import CountedValues
    from models.inputs.preprocessing import clean_text, split_words

    counted = {column: CountedValues(limit=1 << 31) for column in columns}
    with pq.ParquetFile(file) as shard:
        names = list(dict.fromkeys(column for column, _ in columns))
        for batch in shard.iter_batches(BATCH_ROWS, columns=names):
            for (column, cleaning), values in counted.items():
                text = pc.fill_null(texts(batch.column(column)), "")
                cleaned = clean_text(text.to_numpy(zero_copy_only=False), cleaning)
                words = split_words(cleaned).flat_values.numpy()
                values.add(pa.array(words, pa.binary()))
    return counted


def transform_shard(
    index: int, item: tuple[str, Path, Path], *, features: tuple[Feature, ...]
) -> int:
    """Preprocess one shard of examples into one file of batches; the number of its rows."""
    import numpy as np
    import pyarrow.parquet as pq

    from components.transform.batches import write_shard

    split, source, target = item
    apply = _preprocessing(features)
    found: dict[str, list[Any]] = {f.name: [] for f in features}
    rows = 0
    with pq.ParquetFile(source) as shard:
        columns = list(dict.fromkeys(f.column for f in features))
        for batch in shard.iter_batches(BATCH_ROWS, columns=columns):
            place = f"{split}, shard {source.stem}"
            answers = _applied(apply, batch, features, place, rows)
            _check_finite(answers, features, place, rows)
            for name, values in answers.items():
                found[name].append(values)
            rows += batch.num_rows
    new = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    write_shard(new, {name: np.concatenate(parts) for name, parts in found.items()}, features)
    new.replace(target)
    return rows


def _applied(
    apply: Any, batch: pa.RecordBatch, features: tuple[Feature, ...], place: str, before: int
) -> dict[str, Any]:
    """Preprocessed arrays of a batch; an error names the first row that cannot be preprocessed.

    Raises:
        RootstockError: TensorFlow cannot decode an image that passed ExampleGen.
    """
    import tensorflow as tf

    from components.data.raw import raw_inputs

    def applied(rows: pa.RecordBatch) -> dict[str, Any]:
        raw = raw_inputs(rows, features)
        tensors = {f.name: tf.constant(raw[f.name], _dtype(f)) for f in features}
        return {name: value.numpy() for name, value in apply(tensors).items()}

    try:
        return applied(batch)
    except tf.errors.InvalidArgumentError as whole:
        for row in range(batch.num_rows):
            try:
                applied(batch.slice(row, 1))
            except tf.errors.InvalidArgumentError as e:
                raise RootstockError(
                    f"examples, {place}, row {before + row}: TensorFlow cannot preprocess it:"
                    f" {e.message}"
                ) from e
        raise RootstockError(f"examples, {place}: {whole.message}") from whole


def _check_finite(
    answers: dict[str, Any], features: tuple[Feature, ...], place: str, before: int
) -> None:
    import numpy as np

    for f in features:
        if isinstance(f, LayerFeature):
            bad = np.flatnonzero(~np.isfinite(answers[f.name]).all(axis=1))
            if len(bad):
                raise RootstockError(
                    f"examples, {place}, row {before + bad[0]}: inputs.{f.name}: {f.layer} gives"
                    f" {answers[f.name][bad[0]].tolist()}. Expected finite numbers, of missing"
                    " values too."
                )


@lru_cache(maxsize=2)
def _preprocessing(features: tuple[Feature, ...]) -> Any:
    """The preprocessing as one traced function, made once per process."""
    import tensorflow as tf

    from models.inputs.preprocessing import Preprocessing

    module = Preprocessing(features)
    signature = {f.name: tf.TensorSpec([None], _dtype(f)) for f in features}
    return tf.function(module.__call__, input_signature=[signature])


def _dtype(feature: Feature) -> Any:
    import tensorflow as tf

    return tf.float32 if reads_numbers(feature) else tf.string


def _ranked(counted: CountedValues) -> tuple[str, ...]:
    words, counts = counted.counts()
    pairs = zip(words.to_pylist(), counts.to_pylist(), strict=True)
    return tuple(w.decode() for w, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
