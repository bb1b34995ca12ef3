"""Files of predictions: Parquet, JSON Lines or TFRecord of tf.train.Example."""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from components.data.atomic import new_beside
from components.data.shards import ShardWriter

PredictionFormat = Literal["parquet", "jsonl", "tfrecord"]


class PredictionWriter(ABC):
    """Writes batches to a file. The file appears at `close`, complete, or not at all."""

    @abstractmethod
    def write(self, batch: pa.RecordBatch) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


class ParquetPredictions(PredictionWriter):
    def __init__(self, file: Path) -> None:
        self._file = file
        self._writer: ShardWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None:
            self._writer = ShardWriter(self._file, batch.schema)
        self._writer.write(batch)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class RowPredictions(PredictionWriter):
    """Writes one record per row."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._new = new_beside(file)
        self._out = open(self._new, "wb")  # noqa: SIM115 - until `close`

    def write(self, batch: pa.RecordBatch) -> None:
        self._out.writelines(self.record(row) for row in batch.to_pylist())

    def close(self) -> None:
        self._out.close()
        self._new.replace(self._file)

    @abstractmethod
    def record(self, row: dict[str, Any]) -> bytes:
        """Encode a row."""


class JsonPredictions(RowPredictions):
    """JSON Lines, with bytes in base64."""

    def record(self, row: dict[str, Any]) -> bytes:
        return json.dumps(row, default=_base64, ensure_ascii=False).encode() + b"\n"


class TFRecordPredictions(RowPredictions):
    def record(self, row: dict[str, Any]) -> bytes:
        from components.data.tfrecord import framed
        from serving.wire.protos import Example

        example = Example()
        for name, value in row.items():
            feature = example.features.feature[name]
            for v in value if isinstance(value, list) else [value]:
                if isinstance(v, str | bytes):
                    feature.bytes_list.value.append(v.encode() if isinstance(v, str) else v)
                elif isinstance(v, float):
                    feature.float_list.value.append(v)
                elif v is not None:
                    feature.int64_list.value.append(v)
        return framed(example.SerializeToString(deterministic=True))


_WRITERS: dict[PredictionFormat, type[ParquetPredictions] | type[RowPredictions]] = {
    "parquet": ParquetPredictions,
    "jsonl": JsonPredictions,
    "tfrecord": TFRecordPredictions,
}


def prediction_writer(directory: Path, index: int, kind: PredictionFormat) -> PredictionWriter:
    """The writer of `part-<index>`."""
    return _WRITERS[kind](directory / f"part-{index:05d}.{kind}")


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no JSON form of {type(value).__name__}")
