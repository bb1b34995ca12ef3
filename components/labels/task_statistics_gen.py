"""TaskStatisticsGen: label counts per task, per class, and per pair of tasks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from components.artifacts import UNLABELLED, Examples, TaskStatistics
from components.data.lazy import pa, pq
from components.data.slices import Slice, columns_of, masks
from components.labels.label_counts import LabelCounts
from components.labels.label_statistics import save_task_statistics
from components.stage import Context, Stage
from models.tasks.base import Task


@dataclass(frozen=True)
class TaskStatisticsGenInputs:
    examples: Examples


@dataclass(frozen=True)
class TaskStatisticsGenOutputs:
    task_statistics: TaskStatistics


@dataclass(frozen=True, kw_only=True)
class TaskStatisticsGen(Stage[TaskStatisticsGenInputs, TaskStatisticsGenOutputs]):
    """Reads the label columns only, and expects validated labels.

    slices: rows that are also counted separately, under `<split>: <slice>`.
    """

    tasks: tuple[Task, ...]
    slices: tuple[Slice, ...] = ()

    def run(self, inputs: TaskStatisticsGenInputs, context: Context) -> TaskStatisticsGenOutputs:
        from components.beam.map_units import map_units
        from components.labels.label_statistics_page import page
        from components.labels.label_statistics_proto import to_proto

        splits = [split for split in inputs.examples.splits() if split != UNLABELLED]
        shards = [(split, file) for split in splits for file in inputs.examples.shards(split)]
        work = partial(count_labels, tasks=self.tasks, slices=self.slices)
        per_shard = map_units("labels", [file for _, file in shards], work, context)

        merged: dict[tuple[str, str], LabelCounts] = {}
        for (split, _), parts in zip(shards, per_shard, strict=True):
            for name, counts in parts.items():
                merged.setdefault((split, name), LabelCounts(self.tasks)).merge(counts)
        ordered = sorted(merged, key=lambda key: (splits.index(key[0]), key[1]))
        result = tuple(merged[s, n].result(f"{s}: {n}" if n else s) for s, n in ordered)

        directory = context.output / "task_statistics"
        directory.mkdir()
        save_task_statistics(result, directory)
        (directory / "tasks.html").write_text(page(result), encoding="utf-8")
        proto = to_proto(result)
        (directory / "FeatureStats.pb").write_bytes(proto.SerializeToString(deterministic=True))
        context.observer.figure("tasks", len(self.tasks))
        if len(self.tasks) > 1 and result[0].complete is not None:
            share = result[0].complete / max(result[0].rows, 1)
            context.observer.figure("rows with all labels", f"{share:.1%}")
        return TaskStatisticsGenOutputs(TaskStatistics(directory))


def count_labels(
    index: int, file: Path, *, tasks: tuple[Task, ...], slices: tuple[Slice, ...]
) -> dict[str, LabelCounts]:
    """Counts over all rows of a shard, under "", and over the rows of each slice.

    Raises:
        RootstockError: a slice's column does not exist, or has too many values.
    """
    counts = {"": LabelCounts(tasks)}
    with pq.ParquetFile(file) as shard:
        needed = {t.label for t in tasks}.union(columns_of(slices))
        columns = [name for name in shard.schema_arrow.names if name in needed]
        for batch in shard.iter_batches(columns=columns):
            rows = pa.Table.from_batches([batch])
            counts[""].add(rows)
            for name, mask in masks(slices, rows).items():
                counts.setdefault(name, LabelCounts(tasks)).add(rows.filter(pa.array(mask)))
    return counts
