"""SpanMerger: merges the examples of several spans, so that only new spans have to be read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.artifacts import Examples
from components.beam.map_units import hand_over, map_units
from components.data.lazy import pa, pq
from components.data.shards import ShardWriter, batches_of, linked
from components.ingestion.columns import conform, merge_schemas
from components.stage import Context, Stage


@dataclass(frozen=True)
class SpanMergerInputs:
    """parts: the examples of each span, in order."""

    parts: tuple[Examples, ...]


@dataclass(frozen=True)
class SpanMergerOutputs:
    examples: Examples


@dataclass(frozen=True, kw_only=True)
class SpanMerger(Stage[SpanMergerInputs, SpanMergerOutputs]):
    """Links shards that have all columns; rewrites the others with the columns of all spans."""

    def run(self, inputs: SpanMergerInputs, context: Context) -> SpanMergerOutputs:
        """Raises:
        RootstockError: a column has types without a common type.
        """
        shards = [
            (split, file)
            for part in inputs.parts
            for split in part.splits()
            for file in part.shards(split)
        ]
        schemas = [(str(file), pq.read_schema(file)) for _, file in shards]
        merged = context.scratch / "merged"
        for split in {split for split, _ in shards}:
            (merged / split).mkdir(parents=True, exist_ok=True)
        targets = [(f, merged / s / f"part-{n:05d}.parquet") for n, (s, f) in enumerate(shards)]
        map_units("merge", targets, partial(merge_shard, schema=merge_schemas(schemas)), context)
        hand_over("merge", merged, context.output / "examples", context)
        examples = Examples(context.output / "examples")
        context.observer.figure("spans", len(inputs.parts))
        for split in examples.splits():
            context.observer.figure(split, examples.num_rows(split))
        return SpanMergerOutputs(examples)


def merge_shard(index: int, item: tuple[Path, Path], *, schema: pa.Schema) -> None:
    """Write a shard with the columns of `schema`."""
    source, target = item
    if pq.read_schema(source) == schema:
        linked(source, target)
        return
    writer = ShardWriter(target, schema)
    for batch in batches_of(source):
        writer.write(conform(batch, schema))
    writer.close()
