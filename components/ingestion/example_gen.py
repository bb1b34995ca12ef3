"""ExampleGen: reads the raw files of all sources into Parquet shards, by split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.artifacts import SPLITS, UNLABELLED, Examples, Quarantine, SourceFiles
from components.beam.map_units import hand_over, map_units
from components.data.lazy import pa
from components.data.shards import ShardWriter
from components.errors import RootstockError
from components.ingestion.columns import check_columns, conform, merge_schemas
from components.ingestion.quarantine import SourceUnit, quarantine_records, source_units
from components.ingestion.readers.base import BadRecord, Reader
from components.ingestion.splits import HashSplits, Splitting
from components.ingestion.stratified_splits import Strata, strata_of, stratified
from components.stage import Context, Stage

HASH = HashSplits()


@dataclass(frozen=True)
class ExampleGenInputs:
    """files: of each source, in the order of the stage's `sources`."""

    files: tuple[SourceFiles, ...]


@dataclass(frozen=True)
class ExampleGenOutputs:
    examples: Examples
    quarantine: Quarantine


@dataclass(frozen=True, kw_only=True)
class ExampleGen(Stage[ExampleGenInputs, ExampleGenOutputs]):
    """Reads every source and writes one shard per unit and split.

    key: columns whose values decide the split of a row; when empty, the default key of each format.
    max_bad_fraction: largest share of unreadable records; they go to quarantine. Above it, the
        stage fails.
    part: whether this is one of several parts of the data; a part may have no training rows.
    """

    sources: tuple[Reader, ...]
    splits: Splitting = HASH
    key: tuple[str, ...] = ()
    max_bad_fraction: float = 0.0
    part: bool = False

    def run(self, inputs: ExampleGenInputs, context: Context) -> ExampleGenOutputs:
        fixed = {source.split for source in self.sources}
        units = source_units(self.sources, inputs.files, self.key)
        schemas = {u.number: u.schema for u in units}
        for source, schema in zip(self.sources, schemas.values(), strict=True):
            if source.split != UNLABELLED:
                check_columns("data.key", self.key, schema.names, source.place)
            if source.split is None:
                check_columns("data.splits", self.splits.columns, schema.names, source.place)
        shards = context.scratch / "shards"
        work = partial(
            write_unit,
            schema=merge_schemas([(self.sources[i].place, s) for i, s in schemas.items()]),
            splits=self._splits(units, context),
            directory=str(shards),
        )
        written = list(map_units("units", units, work, context))

        bad = [(u, r) for u, w in zip(units, written, strict=True) for r in sorted(w.bad)]
        rows = {split: sum(w.rows.get(split, 0) for w in written) for split in SPLITS}
        if UNLABELLED in fixed:
            rows[UNLABELLED] = sum(w.rows.get(UNLABELLED, 0) for w in written)
        total = sum(rows.values())
        quarantine = quarantine_records(bad, total, self.max_bad_fraction, context)
        if not rows["train"] and not self.part:
            raise RootstockError(
                f"No examples for the training split in {', '.join(s.place for s in self.sources)}:"
                f" {total} rows in all."
            )
        examples = context.output / "examples"
        hand_over("units", shards, examples, context)
        for name, figure in {"examples": total, **rows}.items():
            context.observer.figure(name, figure)
        return ExampleGenOutputs(Examples(examples), quarantine)

    def _splits(self, units: list[SourceUnit], context: Context) -> Splitting:
        """How to split rows of sources without a `split` of their own."""
        splits = self.splits.without({s.split for s in self.sources if s.split})
        if not isinstance(splits, HashSplits) or not splits.needs_all_keys:
            return splits
        work = partial(read_strata, column=splits.stratify, seed=splits.seed)
        by_unit = map_units("strata", [u for u in units if not u.source.split], work, context)
        return stratified(splits, [strata for unit in by_unit for strata in unit])


@dataclass(frozen=True)
class Written:
    """The result of a unit: number of rows by split, and the records that could not be read."""

    rows: Mapping[str, int]
    bad: tuple[BadRecord, ...]


def write_unit(
    index: int, item: SourceUnit, *, schema: pa.Schema, splits: Splitting, directory: str
) -> Written:
    """Read one unit into `<directory>/<split>/part-<index>.parquet`."""
    source = item.source
    name = f"part-{index:05d}.parquet"
    splits_here = (source.split,) if source.split else SPLITS
    writers = {s: ShardWriter(Path(directory, s, name), schema) for s in splits_here}
    bad: list[BadRecord] = []
    for batch in source.read(item.unit, item.schema):
        if isinstance(batch, BadRecord):
            bad.append(batch)
        elif source.split:
            writers[source.split].write(conform(batch, schema))
        elif batch.num_rows:
            indices = splits.indices(batch, item.key)
            rows = conform(batch, schema)
            for i, split in enumerate(SPLITS):
                writers[split].write(rows.filter(indices == i))
    for writer in writers.values():
        writer.close()
    return Written({s: w.rows for s, w in writers.items()}, tuple(bad))


def read_strata(index: int, item: SourceUnit, *, column: str | None, seed: int) -> list[Strata]:
    """The strata of a unit's rows, batch by batch."""
    batches = item.source.read(item.unit, item.schema)
    return [strata_of(b, item.key, column, seed) for b in batches if not isinstance(b, BadRecord)]
