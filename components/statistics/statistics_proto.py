"""Statistics as TensorFlow Metadata's proto, which TFX tools read and draw."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from components.statistics import column_statistics as columns

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2 as pb

TOP_VALUES = 20
MAX_RANKED = 1000


def to_proto(splits: tuple[columns.SplitStatistics, ...]) -> pb.DatasetFeatureStatisticsList:
    from tensorflow_metadata.proto.v0 import statistics_pb2 as pb

    result = pb.DatasetFeatureStatisticsList()
    for split in splits:
        dataset = result.datasets.add(name=split.name, num_examples=split.rows)
        for column in split.columns.values():
            feature = dataset.features.add()
            feature.path.step.append(column.name)
            common = _stats(feature, column).common_stats
            common.num_non_missing, common.num_missing = column.present, column.missing
            if isinstance(column, columns.ListColumn):
                common.min_num_values = int(column.lengths.minimum)
                common.max_num_values = int(column.lengths.maximum)
                common.avg_num_values = column.lengths.mean
            elif column.present:
                common.min_num_values = common.max_num_values = 1
                common.avg_num_values = 1.0
    return result


def _stats(
    feature: pb.FeatureNameStatistics, column: columns.ColumnStatistics
) -> pb.NumericStatistics | pb.StringStatistics | pb.BytesStatistics:
    """Set what is special to a kind of column, and return it."""
    match column:
        case columns.NumericColumn():
            feature.type = feature.INT if column.type in ("int64", "bool") else feature.FLOAT
            _numeric(feature.num_stats, column)
            return feature.num_stats
        case columns.StringColumn() | columns.TextColumn() | columns.ListColumn():
            feature.type, stats = feature.STRING, feature.string_stats
            if isinstance(column, columns.TextColumn):
                stats.unique = column.distinct
            else:
                _values(stats, column.values)
            if not isinstance(column, columns.ListColumn):
                stats.avg_length = column.characters.mean
            return stats
        case columns.BytesColumn():
            feature.type, sizes = feature.BYTES, column.sizes
            feature.bytes_stats.avg_num_bytes = sizes.mean
            feature.bytes_stats.min_num_bytes = sizes.minimum
            feature.bytes_stats.max_num_bytes = sizes.maximum
        case columns.ImageColumn():
            feature.type = feature.BYTES
            for name, number in _image(column):
                feature.custom_stats.add(name=f"image_{name}", num=number)
    return feature.bytes_stats


def _numeric(stats: pb.NumericStatistics, column: columns.NumericColumn) -> None:
    stats.mean, stats.std_dev = column.mean, column.deviation
    stats.min, stats.max = column.minimum, column.maximum
    stats.num_zeros = column.zeros
    if not column.deciles:
        return
    stats.median = column.deciles[5]
    histogram = stats.histograms.add()
    histogram.type = histogram.QUANTILES
    share = (column.present - column.infinite) / (len(column.deciles) - 1)
    for low, high in pairwise(column.deciles):
        histogram.buckets.add(low_value=low, high_value=high, sample_count=share)


def _values(stats: pb.StringStatistics, values: columns.ValueCounts) -> None:
    stats.unique = len(values.counts)
    for rank, (value, count) in enumerate(values.counts[:MAX_RANKED]):
        if rank < TOP_VALUES:
            stats.top_values.add(value=value, frequency=count)
        bucket = stats.rank_histogram.buckets.add(label=value, sample_count=count)
        bucket.low_rank = bucket.high_rank = rank


def _image(column: columns.ImageColumn) -> Iterator[tuple[str, float]]:
    for side, sizes in (("height", column.heights), ("width", column.widths)):
        yield from ((f"{side}_min", sizes.minimum), (f"{side}_mean", sizes.mean))
        yield f"{side}_max", sizes.maximum
    channels = zip(column.channel_means, column.channel_deviations, strict=True)
    for name, (mean, deviation) in zip(("red", "green", "blue"), channels, strict=False):
        yield from ((f"{name}_mean", mean), (f"{name}_deviation", deviation))
    yield from ((f"format_{value}", count) for value, count in column.formats.counts)
    yield from ((f"mode_{value}", count) for value, count in column.modes.counts)
