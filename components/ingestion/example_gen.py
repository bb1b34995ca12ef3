"""ExampleGen: raw files of any number of sources into Parquet shards of splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from components.artifacts import SPLITS, Examples, Quarantine, SourceFiles
from components.errors import RootstockError
from components.ingestion.quarantine import SourceUnit, quarantined, source_units
from components.ingestion.readers import Reader
from components.ingestion.readers.base import BadRecord
from components.ingestion.readers.types import conform, union
from components.ingestion.splits import HashSplits, Splitting
from components.stage import Context, Stage

if TYPE_CHECKING:
    import pyarrow as pa

    from components.ingestion.stratified_splits import Strata

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
    """Reads every source into record batches, one shard per unit of reading and split.

    key: columns whose values decide the split of a row; each format's own when empty.
    max_bad_fraction: share of unreadable records that go to quarantine before the stage fails.
    part: of more data, so it may lack rows for training.
    """

    sources: tuple[Reader, ...]
    splits: Splitting = HASH
    key: tuple[str, ...] = ()
    max_bad_fraction: float = 0.0
    part: bool = False

    def run(self, inputs: ExampleGenInputs, context: Context) -> ExampleGenOutputs:
        from components.beam.map_units import hand_over, map_units

        units = source_units(self.sources, inputs.files)
        schemas = {u.number: u.schema for u in units}
        for source, schema in zip(self.sources, schemas.values(), strict=True):
            _check("data.key", self.key, schema, source.place)
            if source.split is None:
                _check("data.splits", self.splits.columns, schema, source.place)
        shards = context.scratch / "shards"
        work = partial(
            write_unit,
            schema=union([(self.sources[i].place, s) for i, s in schemas.items()]),
            key=self.key,
            splits=self._splits(units, context),
            directory=str(shards),
        )
        written = list(map_units("units", units, work, context))

        bad = [(u, r) for u, w in zip(units, written, strict=True) for r in sorted(w.bad)]
        rows = {split: sum(w.rows.get(split, 0) for w in written) for split in SPLITS}
        total = sum(rows.values())
        quarantine = quarantined(bad, total, self.max_bad_fraction, context)
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
        """The rule for rows whose source names no split."""
        from components.beam.map_units import map_units

        splits = self.splits.without({s.split for s in self.sources if s.split})
        if not isinstance(splits, HashSplits) or splits.stratify is None:
            return splits
        from components.ingestion.stratified_splits import stratified

        work = partial(read_strata, key=self.key, column=splits.stratify, seed=splits.seed)
        free = [u for u in units if u.source.split is None]
        found = map_units("strata", free, work, context)
        return stratified(splits, [strata for unit in found for strata in unit])


@dataclass(frozen=True)
class Written:
    """What became of a unit: rows by split, and the records that could not be read."""

    rows: Mapping[str, int]
    bad: tuple[BadRecord, ...]


def write_unit(
    index: int,
    item: SourceUnit,
    *,
    schema: pa.Schema,
    key: tuple[str, ...],
    splits: Splitting,
    directory: str,
) -> Written:
    """Read one unit into `<directory>/<split>/part-<index>.parquet`."""
    from components.data.shards import ShardWriter

    source = item.source
    key = _key_of(item, key)
    name = f"part-{index:05d}.parquet"
    writers = {s: ShardWriter(Path(directory, s, name), schema) for s in SPLITS}
    bad: list[BadRecord] = []
    for batch in source.read(item.unit, item.schema):
        if isinstance(batch, BadRecord):
            bad.append(batch)
        elif source.split:
            writers[source.split].write(conform(batch, schema))
        elif batch.num_rows:
            chosen = splits.indices(batch, key)
            rows = conform(batch, schema)
            for i, split in enumerate(SPLITS):
                writers[split].write(rows.filter(chosen == i))
    for writer in writers.values():
        writer.close()
    return Written({s: w.rows for s, w in writers.items()}, tuple(bad))


def read_strata(
    index: int, item: SourceUnit, *, key: tuple[str, ...], column: str, seed: int
) -> list[Strata]:
    """The strata of a unit's rows, batch by batch."""
    from components.ingestion.stratified_splits import strata_of

    batches = item.source.read(item.unit, item.schema)
    key = _key_of(item, key)
    return [strata_of(b, key, column, seed) for b in batches if not isinstance(b, BadRecord)]


def _key_of(item: SourceUnit, key: tuple[str, ...]) -> tuple[str, ...]:
    return key or item.source.default_key or tuple(item.schema.names)


def _check(what: str, columns: tuple[str, ...], schema: pa.Schema, place: str) -> None:
    for name in columns:
        if name not in schema.names:
            raise RootstockError(
                f"{what}: {name!r} is not a column of {place}. Columns there:"
                f" {', '.join(schema.names)}."
            )
