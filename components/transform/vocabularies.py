"""Words of text columns, counted over the training split."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from components.artifacts import Examples
from components.beam.map_units import map_units
from components.data.casting import texts
from components.data.lazy import pa, pc
from components.data.shards import small_batches
from components.stage import Context
from components.statistics.sketches import CountedValues
from components.transform.fit.base import CleanedColumn


def vocabularies(
    examples: Examples, columns: Iterable[CleanedColumn], context: Context
) -> dict[CleanedColumn, tuple[str, ...]]:
    """The words of each column: most frequent in the training split first, then by word."""
    if not (distinct := tuple(dict.fromkeys(columns))):
        return {}
    work = partial(count_words, columns=distinct)
    total: dict[CleanedColumn, CountedValues] = {}
    for counts in map_units("words", examples.shards("train"), work, context, threads=1):
        for column, counted in counts.items():
            if total.setdefault(column, counted) is not counted:
                total[column].merge(counted)
    return {column: _ranked(counted) for column, counted in total.items()}


def count_words(
    index: int, file: Path, *, columns: tuple[CleanedColumn, ...]
) -> dict[CleanedColumn, CountedValues]:
    """Words of text columns in one shard, cleaned and split as the served graph does it."""
    from models.inputs.layers.cleaning import clean_text
    from models.inputs.layers.text import split_words

    counted = {column: CountedValues(limit=1 << 31) for column in columns}
    for batch in small_batches(file, (column for column, _ in columns)):
        for (column, cleaning), values in counted.items():
            text = pc.fill_null(texts(batch.column(column)), "")
            cleaned = clean_text(text.to_numpy(zero_copy_only=False), cleaning)
            words = split_words(cleaned).flat_values.numpy()
            values.add(pa.array(words, pa.binary()))
    return counted


def _ranked(counted: CountedValues) -> tuple[str, ...]:
    words, counts = counted.counts()
    pairs = zip(words.to_pylist(), counts.to_pylist(), strict=True)
    return tuple(w.decode() for w, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
