"""Data sets of TensorFlow Datasets, by name: https://www.tensorflow.org/datasets/catalog."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from components.data.arrow import pa
from components.data.digests import digest_source
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Unit
from components.ingestion.readers.tfrecord import TFRecordReader

FEATURES = "features.json"
LABELS = ".labels.txt"


@dataclass(frozen=True, kw_only=True)
class TfdsReader(TFRecordReader):
    """path: a name, such as `mnist`, `glue/sst2` or `mnist:3.0.1`, the highest version if none is
    said; or the directory of a data set that is prepared.

    part: which of the data set's own splits. data_dir: where data sets are, `$TFDS_DATA_DIR` or
    `~/tensorflow_datasets` by default. `tfds build NAME --file_format tfrecord` downloads and
    prepares one; to read it, neither network nor the package tensorflow-datasets is needed.

    Columns are the data set's features: images encoded as they were, classes by their names, and
    null where the class is not known (-1).
    """

    format: Literal["tfds"] = "tfds"  # type: ignore[assignment]
    part: str = "train"
    data_dir: str = field(default="", metadata={"fingerprint": False})

    def located(self, base: str) -> TfdsReader:
        """A name stays as it is."""
        data_dir = self.data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
        data_dir = os.path.normpath(os.path.join(base, os.path.expanduser(data_dir)))
        there = os.path.normpath(os.path.join(base, os.path.expanduser(self.path)))
        named = not self._is_directory and not os.path.isfile(os.path.join(there, FEATURES))
        path = self.path if named else there
        return replace(self, path=path, data_dir=data_dir)

    def digest(self, index: Path) -> str:
        return digest_source(str(self._directory()), index)

    def units(self, root: Path) -> list[Unit]:
        return super().units(self._shards())

    def schema(self, root: Path) -> pa.Schema:
        found = super().schema(self._shards())
        for name in self._classes():
            place = found.get_field_index(name)
            if place >= 0:
                listed = pa.types.is_list(found.field(place).type)
                kind = pa.list_(pa.string()) if listed else pa.string()
                found = found.set(place, pa.field(name, kind))
        return found

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        classes = self._classes()
        stored = pa.schema([(f.name, _stored(f) if f.name in classes else f.type) for f in schema])
        for item in super().read(unit, stored):
            if isinstance(item, BadRecord):
                yield item
                continue
            columns = [
                _named(column, classes[f.name]) if f.name in classes else column
                for f, column in zip(schema, item.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    @property
    def _is_directory(self) -> bool:
        return self.path.startswith(("/", ".", "~"))

    def _shards(self) -> Path:
        directory = self._directory()
        pattern = directory / f"*-{self.part}.tfrecord-*"
        if not list(directory.glob(pattern.name)):
            found = sorted(f.name for f in directory.glob("*-of-*"))
            raise RootstockError(
                f"{directory}: no TFRecord files of the split {self.part!r}. `part` is one of the"
                " data set's own splits; other formats than tfrecord are not read. There are:"
                f" {', '.join(found[:10])}."
            )
        return pattern

    def _classes(self) -> dict[str, pa.Array]:
        """Names of classes in their order, by feature."""
        return {
            file.name.removesuffix(LABELS).replace("-", "/"): pa.array(
                file.read_text().splitlines(), pa.string()
            )
            for file in sorted(self._directory().glob(f"*{LABELS}"))
        }

    def _directory(self) -> Path:
        """Where the prepared data set is.

        Raises:
            RootstockError: nowhere.
        """
        if self._is_directory:
            if not Path(self.path, FEATURES).is_file():
                raise RootstockError(
                    f"{self.path}: is no prepared data set: there is no {FEATURES}. Expected its"
                    " name, or the directory of one of its versions."
                )
            return Path(self.path)
        name, _, version = self.path.partition(":")
        versions = Path(self.data_dir, name).glob(f"{version or '*'}/{FEATURES}")
        found = sorted((f.parent for f in versions), key=lambda d: _numbers(d.name))
        if not found:
            raise RootstockError(
                f"{self.path}: no such data set of TFDS under {self.data_dir}. To download it there"
                f" and prepare it: pip install tensorflow-datasets; tfds build {self.path}"
                f" --data_dir {self.data_dir} --file_format tfrecord"
            )
        return found[-1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))


def _stored(field: pa.Field) -> pa.DataType:
    return pa.list_(pa.int64()) if pa.types.is_list(field.type) else pa.int64()


def _named(column: pa.Array, names: pa.Array) -> pa.Array:
    """The names of classes, or of lists of classes; null for numbers that have none."""
    import pyarrow.compute as pc

    if pa.types.is_list(column.type):
        values = _named(column.flatten(), names)
        return pa.ListArray.from_arrays(column.offsets, values, mask=column.is_null())
    known = pc.and_(pc.greater_equal(column, 0), pc.less(column, len(names)))
    return names.take(pc.if_else(known, column, None))
