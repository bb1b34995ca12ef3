"""StatisticsGen: describes every column of every split in one pass over the shards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.artifacts import Examples, Statistics
from components.beam.map_units import map_units
from components.data.lazy import pa, pq
from components.data.shards import batches_of, small_batches
from components.data.slices import Slice, masks
from components.data.thumbnails import Picture, thumbnail
from components.stage import Context, Stage
from components.statistics.accumulators import Accumulator, accumulator
from components.statistics.column_statistics import SplitStatistics, save_statistics

MOST_PICTURES = 12
"""Pictures on the page for each column of images."""


@dataclass(frozen=True)
class StatisticsGenInputs:
    examples: Examples


@dataclass(frozen=True)
class StatisticsGenOutputs:
    statistics: Statistics


@dataclass(frozen=True, kw_only=True)
class StatisticsGen(Stage[StatisticsGenInputs, StatisticsGenOutputs]):
    """Computes counts, moments, quantiles and the like.

    images, texts: columns to describe as images or texts; the Arrow type decides for all others.
    slices: rows to describe separately as well, under `<split>: <slice>`.
    """

    images: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    slices: tuple[Slice, ...] = ()

    def run(self, inputs: StatisticsGenInputs, context: Context) -> StatisticsGenOutputs:
        from components.statistics.statistics_page import page
        from components.statistics.statistics_proto import to_proto

        splits = inputs.examples.splits()
        shards = [(split, file) for split in splits for file in inputs.examples.shards(split)]
        work = partial(shard_statistics, images=self.images, texts=self.texts, slices=self.slices)
        parts = map_units("statistics", [file for _, file in shards], work, context)

        merged: dict[tuple[int, str], list[Accumulator]] = {}
        for (split, _), part in zip(shards, parts, strict=True):
            for name, columns in part.items():
                total = merged.setdefault((splits.index(split), name), columns)
                if total is not columns:
                    for column, other in zip(total, columns, strict=True):
                        column.merge(other)
        result = []
        for (index, name), columns in sorted(merged.items()):
            label = f"{splits[index]}: {name}" if name else splits[index]
            rows = columns[0].present + columns[0].missing
            by_name = {column.name: column.result() for column in columns}
            result.append(SplitStatistics(name=label, rows=rows, columns=by_name))
        directory = context.output / "statistics"
        directory.mkdir()
        save_statistics(tuple(result), directory)
        shown = _pictures(inputs.examples.shards(splits[0])[0], self.images)
        (directory / "statistics.html").write_text(page(result, shown), encoding="utf-8")
        proto = to_proto(tuple(result))
        (directory / "FeatureStats.pb").write_bytes(proto.SerializeToString(deterministic=True))
        context.observer.figure("columns", len(result[0].columns))
        missing = sum(c.missing for c in result[0].columns.values())
        cells = result[0].rows * len(result[0].columns)
        context.observer.figure("missing", f"{missing / cells:.1%}")
        return StatisticsGenOutputs(Statistics(directory))


def _pictures(shard: Path, columns: tuple[str, ...]) -> dict[str, list[Picture]]:
    """Small copies of the first images of a shard, by column."""
    first = next(small_batches(shard, columns), None) if columns else None
    if first is None:
        return {}
    return {
        column: [thumbnail(f"{column} of row {i}", image) for i, image in enumerate(images)]
        for column, images in first.slice(0, MOST_PICTURES).to_pydict().items()
    }


def shard_statistics(
    index: int,
    file: Path,
    *,
    images: tuple[str, ...],
    texts: tuple[str, ...],
    slices: tuple[Slice, ...],
) -> dict[str, list[Accumulator]]:
    """One accumulator per column: under "" for all rows of a shard, and by name for each slice.

    Raises:
        RootstockError: a column of a slice is missing, or has too many values.
    """

    def accumulators() -> list[Accumulator]:
        return [accumulator(f, f.name in images, f.name in texts) for f in schema]

    schema = pq.read_schema(file)
    by_slice = {"": accumulators()}
    for batch in batches_of(file):
        inside = masks(slices, pa.Table.from_batches([batch])) if slices else {}
        parts = {name: batch.filter(pa.array(mask)) for name, mask in inside.items()}
        for name, part in {"": batch, **parts}.items():
            columns = by_slice.setdefault(name, accumulators())
            for column, array in zip(columns, part.columns, strict=True):
                column.add(array)
    return by_slice
