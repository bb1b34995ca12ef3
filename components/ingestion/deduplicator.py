"""Deduplicator: rows that repeat others, above all across splits, reported and dropped."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.artifacts import DuplicateReport, Examples
from components.errors import RootstockError
from components.stage import Context, Stage

if TYPE_CHECKING:
    import numpy as np

    from components.ingestion.duplicate_signatures import Signatures

KEPT_FIRST = ("test", "val", "train")
"""Of duplicates in several splits, the row of the first of these stays."""
SHOWN_GROUPS = 20
SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class DeduplicatorInputs:
    examples: Examples


@dataclass(frozen=True)
class DeduplicatorOutputs:
    examples: Examples
    report: DuplicateReport


@dataclass(frozen=True, kw_only=True)
class Deduplicator(Stage[DeduplicatorInputs, DeduplicatorOutputs]):
    """Rows of equal values in all `columns` are duplicates; so are rows whose first column, text or
    image, is nearly the same.

    near: how similar, from 0 to 1; only equal rows count when absent.
    drop: all but one of each group; they are only reported otherwise.
    """

    columns: tuple[str, ...]
    near: float | None = None
    drop: bool = True

    def run(self, inputs: DeduplicatorInputs, context: Context) -> DeduplicatorOutputs:
        """See `Stage.run`.

        Raises:
            RootstockError: a column is not there, or near duplicates of it make no sense.
        """
        from components.beam.map_units import hand_over, map_units
        from components.ingestion.duplicate_signatures import groups, joined

        examples = inputs.examples
        shards = [(s, file) for s in examples.splits() for file in examples.shards(s)]
        self._check(shards[0][1])
        work = partial(shard_signatures, columns=self.columns, near=self.near is not None)
        parts = map_units("signatures", [file for _, file in shards], work, context)
        sizes = [len(part.exact) for part in parts]
        splits = [s for (s, _), size in zip(shards, sizes, strict=True) for _ in range(size)]
        first = groups(joined(parts), 1.0 if self.near is None else self.near)
        kept = _kept(first, splits)

        report = context.output / "report"
        report.mkdir()
        told = _report(first, splits, partial(self._shown, shards, sizes))
        (report / "duplicates.json").write_text(json.dumps(told, indent=1, ensure_ascii=False))
        written = context.scratch / "rest"
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        rest = [
            (file, kept[end - size : end] if self.drop else None, written / s / file.name)
            for (s, file), size, end in zip(shards, sizes, ends, strict=True)
        ]
        for split in examples.splits():
            (written / split).mkdir(parents=True, exist_ok=True)
        map_units("kept", rest, keep_rows, context)
        hand_over("kept", written, context.output / "examples", context)
        for name, figure in (*told["duplicates"].items(), ("leaks", told["leaks"])):
            context.observer.figure(name, figure)
        if told["leaks"]:
            context.observer.warn(
                f"{told['leaks']} groups of duplicates lie in several splits"
                f"{'' if self.drop else ', and stay there: set data.duplicates.drop'}"
            )
        return DeduplicatorOutputs(Examples(context.output / "examples"), DuplicateReport(report))

    def _check(self, shard: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pq.read_schema(shard)
        for name in self.columns:
            if name not in schema.names:
                raise RootstockError(
                    f"data.duplicates: {name!r} is not a column of the examples. Columns there:"
                    f" {', '.join(schema.names)}."
                )
        kind = schema.field(self.columns[0]).type
        if self.near is not None and kind not in (pa.string(), pa.binary()):
            raise RootstockError(
                f"data.duplicates: column {self.columns[0]!r} holds {kind} values. Expected text or"
                " images to compare by likeness; leave `near` out."
            )

    def _shown(
        self, shards: list[tuple[str, Path]], sizes: list[int], row: int
    ) -> dict[str, object]:
        """Where a row is and what its first column holds, for the report."""
        import pyarrow.parquet as pq

        shard = 0
        while row >= sizes[shard]:
            row -= sizes[shard]
            shard += 1
        split, file = shards[shard]
        value = pq.read_table(file, columns=[self.columns[0]]).column(0)[row].as_py()
        text = f"{len(value)} bytes" if isinstance(value, bytes) else str(value)[:SHOWN_CHARACTERS]
        return {"split": split, "shard": file.name, "row": row, "value": text}


def shard_signatures(index: int, file: Path, *, columns: tuple[str, ...], near: bool) -> Signatures:
    """Those of all rows of a shard."""
    import pyarrow.parquet as pq

    from components.ingestion.duplicate_signatures import joined, signatures

    with pq.ParquetFile(file) as shard:
        batches = shard.iter_batches(1024, columns=list(columns))
        return joined([signatures(batch, columns, near) for batch in batches])


def keep_rows(index: int, item: tuple[Path, np.ndarray | None, Path]) -> None:
    """Write the rows of a shard that stay; the same file where all do, none where none do."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from components.data.shards import ShardWriter, linked

    source, kept, target = item
    if kept is None or kept.all():
        linked(source, target)
        return
    with pq.ParquetFile(source) as shard:
        writer = ShardWriter(target, shard.schema_arrow)
        start = 0
        for group in range(shard.num_row_groups):
            for batch in shard.read_row_group(group).to_batches():
                writer.write(batch.filter(pa.array(kept[start : start + batch.num_rows])))
                start += batch.num_rows
        writer.close()


def _kept(first: np.ndarray, splits: list[str]) -> np.ndarray:
    """Whether each row stays: one of each group, by `KEPT_FIRST`, then by order."""
    import numpy as np

    ranks = [KEPT_FIRST.index(s) if s in KEPT_FIRST else len(KEPT_FIRST) for s in splits]
    order = np.lexsort((np.arange(len(first)), np.array(ranks), first))
    kept = np.zeros(len(first), bool)
    kept[order[np.r_[True, np.diff(first[order]) != 0]]] = True
    return kept


def _report(
    first: np.ndarray, splits: list[str], shown: partial[dict[str, object]]
) -> dict[str, Any]:
    """Counts, and some groups that lie in several splits, or else any."""
    import numpy as np

    order = np.argsort(first, kind="stable")
    found = [g for g in np.split(order, np.flatnonzero(np.diff(first[order])) + 1) if len(g) > 1]
    leaks = [g for g in found if len({splits[row] for row in g}) > 1]
    between = Counter("-".join(sorted({splits[row] for row in g})) for g in leaks)
    return {
        "rows": len(first),
        "groups": len(found),
        "duplicates": dict(Counter(splits[row] for g in found for row in g[1:])),
        "leaks": len(leaks),
        "leaks_between": dict(between),
        "examples": [[shown(int(row)) for row in g[:5]] for g in (leaks or found)[:SHOWN_GROUPS]],
    }
