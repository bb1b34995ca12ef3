"""SpanMerger: the examples of several spans as one, so that a new span is all that is read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts import Examples
from components.ingestion.readers.types import conform, union
from components.stage import Context, Stage

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class SpanMergerInputs:
    """parts: in the order of their spans."""

    parts: tuple[Examples, ...]


@dataclass(frozen=True)
class SpanMergerOutputs:
    examples: Examples


@dataclass(frozen=True, kw_only=True)
class SpanMerger(Stage[SpanMergerInputs, SpanMergerOutputs]):
    """Shards of equal columns are linked, others rewritten with the columns of all."""

    def run(self, inputs: SpanMergerInputs, context: Context) -> SpanMergerOutputs:
        """See `Stage.run`.

        Raises:
            RootstockError: a column has types that do not meet.
        """
        import pyarrow.parquet as pq

        from components.beam.map_units import hand_over, map_units

        shards = [
            (split, file)
            for part in inputs.parts
            for split in part.splits()
            for file in part.shards(split)
        ]
        schemas = [(str(file), pq.read_schema(file)) for _, file in shards]
        done = context.scratch / "merged"
        targets = []
        for number, (split, file) in enumerate(shards):
            (done / split).mkdir(parents=True, exist_ok=True)
            targets.append((file, done / split / f"part-{number:05d}.parquet"))
        map_units("merge", targets, partial(merge_shard, schema=union(schemas)), context)
        hand_over("merge", done, context.output / "examples", context)
        examples = Examples(context.output / "examples")
        context.observer.figure("spans", len(inputs.parts))
        for split in examples.splits():
            context.observer.figure(split, examples.num_rows(split))
        return SpanMergerOutputs(examples)


def merge_shard(index: int, item: tuple[Path, Path], *, schema: pa.Schema) -> None:
    """Give a shard the columns of `schema`."""
    import pyarrow.parquet as pq

    from components.data.shards import ShardWriter, linked

    source, target = item
    with pq.ParquetFile(source) as shard:
        if shard.schema_arrow == schema:
            linked(source, target)
            return
        writer = ShardWriter(target, schema)
        for group in range(shard.num_row_groups):
            for batch in shard.read_row_group(group).to_batches():
                writer.write(conform(batch, schema))
        writer.close()
