"""Words of text columns and lengths of their texts, counted over the training split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from components.artifacts import Examples
from components.beam.map_units import map_units
from components.data.casting import texts
from components.data.lazy import pa, pc
from components.data.shards import small_batches
from components.stage import Context
from components.statistics.sketches import CountedValues
from components.transform.fit.base import CleanedColumn, TrainingTexts


def vocabularies(
    examples: Examples, columns: Iterable[CleanedColumn], context: Context
) -> dict[CleanedColumn, TrainingTexts]:
    """What the training split says about each column."""
    if not (distinct := tuple(dict.fromkeys(columns))):
        return {}
    work = partial(count_words, columns=distinct)
    total: dict[CleanedColumn, CountedTexts] = {}
    for counts in map_units("words", examples.shards("train"), work, context, threads=1):
        for column, counted in counts.items():
            if total.setdefault(column, counted) is not counted:
                total[column].merge(counted)
    return {c: TrainingTexts(_ranked(t.words), dict(t.lengths)) for c, t in total.items()}


@dataclass
class CountedTexts:
    """words: of all texts. lengths: number of texts by their number of words."""

    words: CountedValues = field(default_factory=lambda: CountedValues(limit=1 << 31))
    lengths: Counter[int] = field(default_factory=Counter)

    def merge(self, other: CountedTexts) -> None:
        self.words.merge(other.words)
        self.lengths.update(other.lengths)


def count_words(
    index: int, file: Path, *, columns: tuple[CleanedColumn, ...]
) -> dict[CleanedColumn, CountedTexts]:
    """Words of text columns in one shard, cleaned and split as the served graph does it."""
    from models.inputs.layers.cleaning import clean_text
    from models.inputs.layers.text import split_words

    counted = {column: CountedTexts() for column in columns}
    for batch in small_batches(file, (column for column, _ in columns)):
        for (column, cleaning), found in counted.items():
            text = pc.fill_null(texts(batch.column(column)), "")
            cleaned = clean_text(text.to_numpy(zero_copy_only=False), cleaning)
            words = split_words(cleaned)
            found.words.add(pa.array(words.flat_values.numpy(), pa.binary()))
            found.lengths.update(words.row_lengths().numpy().tolist())
    return counted


def _ranked(counted: CountedValues) -> tuple[str, ...]:
    words, counts = counted.counts()
    pairs = zip(words.to_pylist(), counts.to_pylist(), strict=True)
    return tuple(w.decode() for w, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0])))
