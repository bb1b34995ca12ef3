"""StatisticsGen: what every column of every split holds, in one pass over the shards."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts import Examples, Statistics
from components.stage import Context, Stage
from components.statistics import SplitStatistics, save_statistics

if TYPE_CHECKING:
    from components.accumulators import Accumulator


@dataclass(frozen=True)
class StatisticsGenInputs:
    examples: Examples


@dataclass(frozen=True)
class StatisticsGenOutputs:
    statistics: Statistics


@dataclass(frozen=True, kw_only=True)
class StatisticsGen(Stage[StatisticsGenInputs, StatisticsGenOutputs]):
    """images, texts: columns to describe as such; all others are described by their Arrow type."""

    images: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    def run(self, inputs: StatisticsGenInputs, context: Context) -> StatisticsGenOutputs:
        from components.beam import map_units
        from components.statistics_page import page
        from components.statistics_proto import to_proto

        splits = inputs.examples.splits()
        shards = [(split, file) for split in splits for file in inputs.examples.shards(split)]
        work = partial(shard_statistics, images=self.images, texts=self.texts)
        found = map_units("statistics", [file for _, file in shards], work, context)

        result = []
        for split in splits:
            parts = [f for f, (s, _) in zip(found, shards, strict=True) if s == split]
            merged = reduce(_merged, parts)
            rows = inputs.examples.num_rows(split)
            columns = {a.name: a.result() for a in merged}
            result.append(SplitStatistics(name=split, rows=rows, columns=columns))
        directory = context.output / "statistics"
        directory.mkdir()
        save_statistics(tuple(result), directory)
        (directory / "statistics.html").write_text(page(result), encoding="utf-8")
        proto = to_proto(tuple(result))
        (directory / "FeatureStats.pb").write_bytes(proto.SerializeToString(deterministic=True))
        context.observer.figure("columns", len(result[0].columns))
        missing = sum(c.missing for c in result[0].columns.values())
        cells = result[0].rows * len(result[0].columns)
        context.observer.figure("missing", f"{missing / cells:.1%}")
        return StatisticsGenOutputs(Statistics(directory))


def shard_statistics(
    index: int, file: Path, *, images: tuple[str, ...], texts: tuple[str, ...]
) -> list[Accumulator]:
    """One accumulator per column over all rows of a shard."""
    import pyarrow.parquet as pq

    from components.accumulators import accumulator

    with pq.ParquetFile(file) as shard:
        columns = [accumulator(f, f.name in images, f.name in texts) for f in shard.schema_arrow]
        for group in range(shard.num_row_groups):
            for batch in shard.read_row_group(group).to_batches():
                for column, array in zip(columns, batch.columns, strict=True):
                    column.add(array)
    return columns


def _merged(a: list[Accumulator], b: list[Accumulator]) -> list[Accumulator]:
    for mine, other in zip(a, b, strict=True):
        mine.merge(other)
    return a
