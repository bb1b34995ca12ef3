"""Statistics as TensorFlow Metadata's proto, which TFX tools read and draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.statistics.column_statistics import (
    BytesColumn,
    ColumnStatistics,
    ImageColumn,
    ListColumn,
    NumericColumn,
    Range,
    SplitStatistics,
    StringColumn,
    TextColumn,
    ValueCounts,
)

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import statistics_pb2 as pb

TOP_VALUES = 20
MAX_RANKED = 1000


def to_proto(splits: tuple[SplitStatistics, ...]) -> pb.DatasetFeatureStatisticsList:
    """One dataset per split."""
    from tensorflow_metadata.proto.v0 import statistics_pb2 as pb

    result = pb.DatasetFeatureStatisticsList()
    for split in splits:
        dataset = result.datasets.add(name=split.name, num_examples=split.rows)
        for column in split.columns.values():
            _feature(dataset.features.add(), column)
    return result


def _feature(feature: pb.FeatureNameStatistics, column: ColumnStatistics) -> None:
    feature.path.step.append(column.name)
    kinds = feature.Type
    if isinstance(column, NumericColumn):
        whole = column.type in ("int64", "bool")
        feature.type = kinds.INT if whole else kinds.FLOAT
        _numeric(feature.num_stats, column)
        common = feature.num_stats.common_stats
    elif isinstance(column, StringColumn):
        feature.type = kinds.STRING
        feature.string_stats.avg_length = column.characters.mean
        _values(feature.string_stats, column.values)
        common = feature.string_stats.common_stats
    elif isinstance(column, TextColumn):
        feature.type = kinds.STRING
        feature.string_stats.unique = column.distinct
        feature.string_stats.avg_length = column.characters.mean
        common = feature.string_stats.common_stats
    elif isinstance(column, ListColumn):
        feature.type = kinds.STRING
        _values(feature.string_stats, column.values)
        common = feature.string_stats.common_stats
        common.min_num_values = int(column.lengths.minimum)
        common.max_num_values = int(column.lengths.maximum)
        common.avg_num_values = column.lengths.mean
    else:
        feature.type = kinds.BYTES
        if isinstance(column, BytesColumn):
            feature.bytes_stats.avg_num_bytes = column.sizes.mean
            feature.bytes_stats.min_num_bytes = column.sizes.minimum
            feature.bytes_stats.max_num_bytes = column.sizes.maximum
        else:
            _image(feature, column)
        common = feature.bytes_stats.common_stats
    common.num_non_missing = column.present
    common.num_missing = column.missing
    if not isinstance(column, ListColumn) and column.present:
        common.min_num_values = common.max_num_values = 1
        common.avg_num_values = 1.0


def _numeric(stats: pb.NumericStatistics, column: NumericColumn) -> None:
    stats.mean, stats.std_dev = column.mean, column.deviation
    stats.min, stats.max = column.minimum, column.maximum
    stats.num_zeros = column.zeros
    if not column.deciles:
        return
    stats.median = column.deciles[5]
    histogram = stats.histograms.add()
    histogram.type = histogram.QUANTILES
    share = (column.present - column.infinite) / (len(column.deciles) - 1)
    for low, high in zip(column.deciles[:-1], column.deciles[1:], strict=True):
        histogram.buckets.add(low_value=low, high_value=high, sample_count=share)


def _values(stats: pb.StringStatistics, values: ValueCounts) -> None:
    stats.unique = len(values.counts)
    for rank, (value, count) in enumerate(values.counts[:MAX_RANKED]):
        if rank < TOP_VALUES:
            stats.top_values.add(value=value, frequency=count)
        stats.rank_histogram.buckets.add(
            low_rank=rank, high_rank=rank, label=value, sample_count=count
        )


def _image(feature: pb.FeatureNameStatistics, column: ImageColumn) -> None:
    for name, sizes in (("image_height", column.heights), ("image_width", column.widths)):
        _custom(feature, name, sizes)
    for channel, mean, deviation in zip(
        ("red", "green", "blue"), column.channel_means, column.channel_deviations, strict=False
    ):
        feature.custom_stats.add(name=f"image_{channel}_mean", num=mean)
        feature.custom_stats.add(name=f"image_{channel}_deviation", num=deviation)
    for value, count in column.formats.counts:
        feature.custom_stats.add(name=f"image_format_{value}", num=count)
    for value, count in column.modes.counts:
        feature.custom_stats.add(name=f"image_mode_{value}", num=count)


def _custom(feature: pb.FeatureNameStatistics, name: str, sizes: Range) -> None:
    feature.custom_stats.add(name=f"{name}_min", num=sizes.minimum)
    feature.custom_stats.add(name=f"{name}_mean", num=sizes.mean)
    feature.custom_stats.add(name=f"{name}_max", num=sizes.maximum)
