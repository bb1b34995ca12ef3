"""Deduplicator: reports and drops duplicate rows, above all those in several splits."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.artifacts import UNLABELLED, DuplicateReport, Examples
from components.beam.map_units import hand_over, map_units
from components.data.lazy import np, pa, pq
from components.data.shards import ShardWriter, batches_of, linked
from components.errors import RootstockError
from components.ingestion.columns import check_columns
from components.stage import Context, Stage

if TYPE_CHECKING:
    from components.ingestion.duplicate_signatures import Signatures

PREFERRED = ("test", "val", "train", UNLABELLED)
"""The order of preference between splits for the row of a group that is kept."""
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
    """Rows with equal values in all `columns` are duplicates. With `near`, so are rows whose first
    column, a text or an image, is nearly the same.

    Keeps one row per group, preferring test, then validation, then train, so that no test row has a
    copy in training, nor among the unlabelled rows.

    near: smallest similarity of near duplicates, from 0 to 1; None for exact duplicates only.
    drop: whether to drop all rows but one of each group; otherwise they are only reported.
    """

    columns: tuple[str, ...]
    near: float | None = None
    drop: bool = True

    def run(self, inputs: DeduplicatorInputs, context: Context) -> DeduplicatorOutputs:
        """Raises:
        RootstockError: a column does not exist, or `near` is set for one that is no text or image.
        """
        from components.ingestion.duplicate_signatures import concatenate, duplicate_groups

        examples = inputs.examples
        shards = [(s, file) for s in examples.splits() for file in examples.shards(s)]
        schema = pq.read_schema(shards[0][1])
        check_columns("data.duplicates", self.columns, schema.names, "the examples")
        kind = schema.field(self.columns[0]).type
        if self.near is not None and kind not in (pa.string(), pa.binary()):
            raise RootstockError(
                f"data.duplicates: column {self.columns[0]!r} has {kind} values. Near duplicates"
                " need text or images: remove `near`."
            )
        work = partial(shard_signatures, columns=self.columns, near=self.near is not None)
        parts = map_units("signatures", [file for _, file in shards], work, context)
        ends = list(accumulate(len(part.exact) for part in parts))
        splits = [s for (s, _), part in zip(shards, parts, strict=True) for _ in part.exact]
        first = duplicate_groups(concatenate(parts), 1.0 if self.near is None else self.near)
        kept = _kept(first, splits) if self.drop else first >= 0

        report = _report(first, splits, partial(self._example, shards, ends))
        file = context.output / "report" / "duplicates.json"
        file.parent.mkdir()
        file.write_text(json.dumps(report, indent=1, ensure_ascii=False))
        written = context.scratch / "rest"
        items = [
            (file, kept[end - len(part.exact) : end], written / s / file.name)
            for (s, file), part, end in zip(shards, parts, ends, strict=True)
        ]
        for split in examples.splits():
            (written / split).mkdir(parents=True, exist_ok=True)
        map_units("kept", items, keep_rows, context)
        hand_over("kept", written, context.output / "examples", context)
        for name, figure in (*report["duplicates"].items(), ("leaks", report["leaks"])):
            context.observer.figure(name, figure)
        if report["leaks"]:
            context.observer.warn(
                f"{report['leaks']} groups of duplicates are in several splits"
                f"{'' if self.drop else ' and are kept: set data.duplicates.drop to drop them'}"
            )
        return DeduplicatorOutputs(
            Examples(context.output / "examples"), DuplicateReport(context.output / "report")
        )

    def _example(
        self, shards: list[tuple[str, Path]], ends: list[int], row: int
    ) -> dict[str, object]:
        """The place of a row and the value of its first column, for the report."""
        shard = bisect_right(ends, row)
        split, file = shards[shard]
        row -= ends[shard - 1] if shard else 0
        value = pq.read_table(file, columns=[self.columns[0]]).column(0)[row].as_py()
        text = f"{len(value)} bytes" if isinstance(value, bytes) else str(value)[:SHOWN_CHARACTERS]
        return {"split": split, "shard": file.name, "row": row, "value": text}


def shard_signatures(index: int, file: Path, *, columns: tuple[str, ...], near: bool) -> Signatures:
    """The signatures of all rows of a shard."""
    from components.ingestion.duplicate_signatures import concatenate, row_signatures

    with pq.ParquetFile(file) as shard:
        batches = shard.iter_batches(1024, columns=list(columns))
        return concatenate([row_signatures(batch, columns, near) for batch in batches])


def keep_rows(index: int, item: tuple[Path, np.ndarray, Path]) -> None:
    """Write the kept rows of a shard. If all are kept, the file is linked; if none is, no file.

    item: shard, whether to keep each row, and the file to write.
    """
    source, kept, target = item
    if kept.all():
        linked(source, target)
        return
    writer, start = ShardWriter(target, pq.read_schema(source)), 0
    for batch in batches_of(source):
        writer.write(batch.filter(pa.array(kept[start : start + batch.num_rows])))
        start += batch.num_rows
    writer.close()


def _kept(first: np.ndarray, splits: list[str]) -> np.ndarray:
    """Whether each row is kept: one of each group, by `PREFERRED`, then by order."""
    ranks = [PREFERRED.index(s) if s in PREFERRED else len(PREFERRED) for s in splits]
    order = np.lexsort((np.arange(len(first)), np.array(ranks), first))
    kept = np.zeros(len(first), bool)
    kept[order[np.r_[True, np.diff(first[order]) != 0]]] = True
    return kept


def _report(
    first: np.ndarray, splits: list[str], example: partial[dict[str, object]]
) -> dict[str, Any]:
    """Counts, and example groups: those in several splits if there are any, else others."""
    order = np.argsort(first, kind="stable")
    groups = [g for g in np.split(order, np.flatnonzero(np.diff(first[order])) + 1) if len(g) > 1]
    learned = {"train", UNLABELLED}  # a training text may also be an unlabelled one
    leaks = [g for g in groups if len(held := {splits[row] for row in g}) > 1 and held != learned]
    between = Counter("-".join(sorted({splits[row] for row in g})) for g in leaks)
    return {
        "rows": len(first),
        "groups": len(groups),
        "duplicates": dict(Counter(splits[row] for g in groups for row in g[1:])),
        "leaks": len(leaks),
        "leaks_between": dict(between),
        "examples": [[example(int(r)) for r in g[:5]] for g in (leaks or groups)[:SHOWN_GROUPS]],
    }
