"""TFRecord files of tf.train.Example, also compressed, read without TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from components.data.lazy import pa
from components.data.tfrecord import DamagedFile, read_records
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Unit
from components.ingestion.readers.byte_ranges import opened_range
from components.ingestion.readers.files import FilesReader
from components.ingestion.readers.records import Record, batches

INFER_RECORDS = 1000
TOLERANCE = 0.1
"""The share of values that may not fit the inferred type; these become bad records."""
FeatureValues = dict[str, list[bytes] | list[float] | list[int]]


@dataclass(frozen=True, kw_only=True)
class TFRecordReader(FilesReader):
    """The columns are the features of the first 1,000 examples of every file.

    A feature becomes a list if more than a tenth of the examples that have it have several values.
    Bytes become text if at most a tenth of them are not UTF-8.

    lists: names of features that are lists in any case.
    """

    format: Literal["tfrecord"] = "tfrecord"
    lists: tuple[str, ...] = ()

    def file_schema(self, file: Path) -> pa.Schema:
        unit = Unit(str(file.parent), (file.name,))
        records = list(islice(_examples(unit), INFER_RECORDS))
        examples = [values for _, values in records if not isinstance(values, str)]
        if records and not examples:
            position, reason = records[0]
            raise RootstockError(f"{file}, record {position}: {reason}")
        names = sorted({name for values in examples for name in values})
        return pa.schema([(n, self._type_of(n, [v.get(n, []) for v in examples])) for n in names])

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        def records() -> Iterator[Record | BadRecord]:
            for position, values in _examples(unit):
                try:
                    if isinstance(values, str):
                        raise ValueError(values)
                    row = {f.name: _value(f, values.get(f.name, [])) for f in schema}
                    yield Record(position, row)
                except ValueError as e:
                    yield BadRecord(unit.files[0], position, str(e), "record")

        yield from batches(records(), schema, unit.files[0], "record")

    def _type_of(self, name: str, rows: list[list[bytes] | list[float] | list[int]]) -> pa.DataType:
        """The type of the column of a feature. rows: the feature's values in each example."""
        values: list[bytes | float | int] = [v for row in rows for v in row]
        kinds = Counter(type(v) for v in values)
        most = kinds.most_common(1)[0][0] if kinds else None
        if most is not bytes:
            kind = pa.null() if most is None else pa.int64() if most is int else pa.float32()
        else:
            encoded = [v for v in values if isinstance(v, bytes)]
            others = sum(v.decode(errors="ignore").encode() != v for v in encoded)
            kind = pa.binary() if others > len(values) * TOLERANCE else pa.string()
        several = sum(len(row) > 1 for row in rows) > sum(len(row) > 0 for row in rows) * TOLERANCE
        return pa.list_(kind) if several or name in self.lists else kind


def _examples(unit: Unit) -> Iterator[tuple[int, FeatureValues | str]]:
    """The position of every record with its features, or with the reason why it is bad."""
    from google.protobuf.message import DecodeError

    from serving.wire.protos import Example

    position = 0
    try:
        with opened_range(unit) as stream:
            for position, record in enumerate(read_records(stream), 1):
                if record is None:
                    yield position, "its checksum is wrong: the file is damaged here"
                    continue
                try:
                    features = Example.FromString(record).features.feature
                except DecodeError:
                    yield position, "is not a tf.train.Example"
                    continue
                yield position, {name: _values(f) for name, f in features.items()}
    except (DamagedFile, pa.ArrowException, OSError, EOFError, MemoryError) as e:
        raise RootstockError(
            f"{unit.file}: cannot be read after record {position}: {e}. Expected TFRecord;"
            " compressed files end in .gz."
        ) from e


def _value(field: pa.Field, values: list[bytes] | list[float] | list[int]) -> object:
    """The value of a column, from the list of values of a feature.

    Raises:
        ValueError: several values for a column that is no list, or bytes that are not text.
    """
    several = pa.types.is_list(field.type)
    text = (field.type.value_type if several else field.type) == pa.string()
    try:
        converted = [v.decode() if text and isinstance(v, bytes) else v for v in values]
    except UnicodeDecodeError as e:
        raise ValueError(f"column {field.name!r} is not UTF-8 text") from e
    if several:
        return converted
    if len(converted) > 1:
        raise ValueError(
            f"column {field.name!r} has {len(converted)} values; expected one. If it is a list,"
            " name it under `lists`"
        )
    return converted[0] if converted else None


def _values(feature: Any) -> list[bytes] | list[float] | list[int]:
    lists = feature.bytes_list, feature.float_list, feature.int64_list
    return next((list(values.value) for values in lists if values.value), [])
