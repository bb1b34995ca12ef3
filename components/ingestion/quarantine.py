"""Splits sources into units, and puts records that cannot be read into quarantine."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from components.artifacts import Quarantine, SourceFiles
from components.data.lazy import pa
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Reader, Unit
from components.stage import Context

SHOWN = 5
"""Largest number of bad records in an error message."""


@dataclass(frozen=True)
class SourceUnit:
    """A unit with its source. number: of the source, from 0. key: columns that identify a row."""

    source: Reader
    number: int
    unit: Unit
    schema: pa.Schema
    key: tuple[str, ...]


def source_units(
    sources: Sequence[Reader], files: Sequence[SourceFiles], key: tuple[str, ...] = ()
) -> list[SourceUnit]:
    """The units of all sources, in order. key: when empty, the default key of each format.

    Raises:
        RootstockError: a source does not exist, is empty or does not have the layout of its format.
    """
    source_units = []
    for number, (source, source_files) in enumerate(zip(sources, files, strict=True)):
        schema = source.schema(source_files.path)
        units = source.units(source_files.path)
        if not schema.names:
            raise RootstockError(f"{source.place}: has no columns.")
        if not units:
            raise RootstockError(f"{source.place}: has no records.")
        if source.digested_as_read and source_files.raw is not None:
            units = [replace(unit, digest=source_files.digest) for unit in units]
        names = key or source.default_key or tuple(schema.names)
        source_units += [SourceUnit(source, number, unit, schema, names) for unit in units]
    return source_units


def quarantine_records(
    bad: Sequence[tuple[SourceUnit, BadRecord]], good: int, max_fraction: float, context: Context
) -> Quarantine:
    """Write the bad records to the output `quarantine`. Each counts for the rows that it takes.

    good: the number of good records.

    Raises:
        RootstockError: the share of bad records is larger than `max_fraction`.
    """
    lost = sum(record.rows for _, record in bad)
    total = good + lost
    if bad and lost / total > max_fraction:
        shown = [f"  {os.path.join(u.unit.root, str(r))}\n" for u, r in bad[:SHOWN]]
        more = "  …\n" if len(bad) > SHOWN else ""
        needed = math.ceil(lost / total * 10_000) / 10_000
        raise RootstockError(
            f"{lost} of {total} records cannot be used:\n{''.join(shown)}{more}Fix them, or set"
            f" max_bad_fraction to {needed} or more to put them in quarantine and continue."
        )
    directory = context.output / "quarantine"
    directory.mkdir()
    lines = [json.dumps({"source": u.number, **asdict(r)}, ensure_ascii=False) for u, r in bad]
    text = "".join(f"{line}\n" for line in lines)
    (directory / "records.jsonl").write_text(text, encoding="utf-8")
    context.observer.figure("quarantined", lost)
    if bad:
        context.observer.warn(f"{lost} records are in quarantine, for example {bad[0][1]}")
    return Quarantine(directory)
