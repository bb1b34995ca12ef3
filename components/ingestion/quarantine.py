"""Sources in units of reading, and what becomes of their records that cannot be read."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from components.artifacts import Quarantine, SourceFiles
from components.errors import RootstockError
from components.ingestion.readers import Reader
from components.ingestion.readers.base import BadRecord, Unit
from components.stage import Context

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 5
"""Bad records named in an error."""


@dataclass(frozen=True)
class SourceUnit:
    """A unit of reading together with its source; number: of the source, from 0."""

    source: Reader
    number: int
    unit: Unit
    schema: pa.Schema


def source_units(sources: Sequence[Reader], files: Sequence[SourceFiles]) -> list[SourceUnit]:
    """The units of all sources, in order.

    Raises:
        RootstockError: a source is not there, or is laid out otherwise than its format is.
    """
    found = []
    for number, (source, given) in enumerate(zip(sources, files, strict=True)):
        schema = source.schema(given.path)
        units = source.units(given.path)
        if not units:
            raise RootstockError(f"{source.place}: holds no records.")
        found += [SourceUnit(source, number, unit, schema) for unit in units]
    return found


def quarantined(
    bad: Sequence[tuple[SourceUnit, BadRecord]], good: int, max_fraction: float, context: Context
) -> Quarantine:
    """Bad records as output `quarantine`. good: the number of the others.

    Raises:
        RootstockError: bad ones are more than the fraction of all that may be.
    """
    total = good + len(bad)
    if bad and len(bad) / total > max_fraction:
        raise RootstockError(
            "\n".join(
                [
                    f"{len(bad)} of {total} records cannot be used:",
                    *(f"  {os.path.join(u.unit.root, str(r))}" for u, r in bad[:SHOWN]),
                    *(["  …"] if len(bad) > SHOWN else []),
                    f"Mend them, or set max_bad_fraction to {_at_least(len(bad) / total)} or more"
                    " to put them in quarantine and go on.",
                ]
            )
        )
    directory = context.output / "quarantine"
    directory.mkdir()
    with open(directory / "records.jsonl", "w", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"source": u.number, **asdict(r)}, ensure_ascii=False) + "\n" for u, r in bad
        )
    context.observer.figure("quarantined", len(bad))
    if bad:
        context.observer.warn(f"{len(bad)} records are in quarantine, such as {bad[0][1]}")
    return Quarantine(directory)


def _at_least(fraction: float) -> float:
    """Rounded up, so that it still covers the fraction."""
    return math.ceil(fraction * 10_000) / 10_000
