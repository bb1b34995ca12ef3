"""Label statistics as a TensorFlow Metadata proto: a feature per task, a cross per pair."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from components.labels.label_statistics import CoOccurrence, SplitTasks

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2 as pb


MOST_PAIRS = 10_000


def to_proto(splits: tuple[SplitTasks, ...]) -> pb.DatasetFeatureStatisticsList:
    """One dataset per split. Lift is P(a, b) / (P(a) P(b)), as the proto's comments define it."""
    from tensorflow_metadata.proto.v0 import statistics_pb2 as pb

    result = pb.DatasetFeatureStatisticsList()
    for split in splits:
        dataset = result.datasets.add(name=split.name, num_examples=split.rows)
        for balance in split.tasks:
            feature = dataset.features.add(type=pb.FeatureNameStatistics.STRING)
            feature.path.step.append(balance.task)
            stats = feature.string_stats
            stats.common_stats.num_non_missing = balance.labelled
            stats.common_stats.num_missing = balance.missing
            stats.unique = len(balance.classes)
            for rank, (label, count) in enumerate(balance.classes):
                stats.rank_histogram.buckets.add(
                    low_rank=rank, high_rank=rank, label=label, sample_count=count
                )
        for pair in split.pairs:
            cross = dataset.cross_features.add(count=pair.both)
            cross.path_x.step.append(pair.a)
            cross.path_y.step.append(pair.b)
            if pair.association is not None:
                _lift(cross.categorical_cross_stats.lift, pair)
    return result


def _lift(lift: pb.LiftStatistics, pair: CoOccurrence) -> None:
    """Lift of every class of one task with every class of the other, or of the pairs that occur
    if there are more than `MOST_PAIRS`.
    """
    xs: Counter[str] = Counter()
    occurring: dict[str, dict[str, int]] = {}
    for x, y, n in pair.counts:
        xs[x] += n
        occurring.setdefault(y, {})[x] = n
    few = len(xs) * len(occurring) <= MOST_PAIRS
    for y, with_y in sorted(occurring.items()):
        y_count = sum(with_y.values())
        series = lift.lift_series.add(y_string=y, y_count=y_count)
        for x in sorted(xs if few else with_y):
            both = with_y.get(x, 0)
            series.lift_values.add(
                x_string=x,
                x_count=xs[x],
                x_and_y_count=both,
                lift=both * pair.both / (xs[x] * y_count),
            )
