"""Data sets of TensorFlow Datasets (TFDS): https://www.tensorflow.org/datasets/catalog."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from components.data.digests import RawFiles
from components.data.lazy import pa, pc
from components.errors import RootstockError
from components.ingestion.readers.base import BadRecord, Unit
from components.ingestion.readers.tfrecord import TFRecordReader

FEATURES = "features.json"
LABELS = ".labels.txt"


@dataclass(frozen=True, kw_only=True)
class TfdsReader(TFRecordReader):
    """A prepared data set. `tfds build NAME --file_format tfrecord` downloads and prepares one;
    reading it needs neither network access nor the package tensorflow-datasets.

    The columns are the features of the data set: images encoded as in the files, classes by their
    names, null for unknown classes (-1).

    path: a name, such as `mnist`, `glue/sst2` or `mnist:3.0.1` (by default the highest version); or
        the directory of a prepared data set.
    part: the split of the data set to read.
    data_dir: the directory of the data sets; by default `$TFDS_DATA_DIR` or
        `~/tensorflow_datasets`.
    """

    format: Literal["tfds"] = "tfds"  # type: ignore[assignment]
    part: str = "train"
    data_dir: str = field(default="", metadata={"fingerprint": False})

    def with_absolute_path(self, base: str) -> TfdsReader:
        """Directories are resolved against `base`; names do not change."""
        data_dir = self.data_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
        data_dir = os.path.normpath(os.path.join(base, os.path.expanduser(data_dir)))
        directory = os.path.normpath(os.path.join(base, os.path.expanduser(self.path)))
        is_name = not self._is_directory and not os.path.isfile(os.path.join(directory, FEATURES))
        path = self.path if is_name else directory
        return replace(self.at(path), data_dir=data_dir)

    def digest(self, index: Path | None) -> str:
        return RawFiles(str(self._directory())).digest(index)

    def state(self) -> Mapping[str, Sequence[int]]:
        try:
            return RawFiles(str(self._directory())).state()
        except RootstockError:  # no data set any more
            return {}

    def units(self, root: Path) -> list[Unit]:
        return super().units(self._shards())

    def schema(self, root: Path) -> pa.Schema:
        return _with_classes(super().schema(self._shards()), self._classes(), pa.string())

    def read(self, unit: Unit, schema: pa.Schema) -> Iterator[pa.RecordBatch | BadRecord]:
        classes = self._classes()
        for item in super().read(unit, _with_classes(schema, classes, pa.int64())):
            if isinstance(item, BadRecord):
                yield item
                continue
            columns = [
                _class_names(column, classes[name]) if name in classes else column
                for name, column in zip(schema.names, item.columns, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def out_of_reach(self) -> str:
        return (
            f"{self.place}: data sets of TFDS are on this machine, and the workers of the runner"
            " may be on others. Copy its TFRecord files to the bucket of the store, to be read with"
            " `format: tfrecord`, or leave out --runner."
        )

    @property
    def _is_directory(self) -> bool:
        return self.path.startswith(("/", ".", "~"))

    def _shards(self) -> Path:
        directory = self._directory()
        pattern = directory / f"*-{self.part}.tfrecord-*"
        if not list(directory.glob(pattern.name)):
            files = sorted(f.name for f in directory.glob("*-of-*"))
            raise RootstockError(
                f"{directory}: no TFRecord files of the split {self.part!r}. Expected `part` to be"
                " a split of the data set, in the file format tfrecord. Its files:"
                f" {', '.join(files[:10])}."
            )
        return pattern

    def _classes(self) -> dict[str, pa.Array]:
        """The class names in order, by feature."""
        files = sorted(self._directory().glob(f"*{LABELS}"))
        names = [file.name.removesuffix(LABELS).replace("-", "/") for file in files]
        lines = [pa.array(file.read_text().splitlines(), pa.string()) for file in files]
        return dict(zip(names, lines, strict=True))

    def _directory(self) -> Path:
        """The directory of the prepared data set.

        Raises:
            RootstockError: there is none.
        """
        if self._is_directory:
            if not Path(self.path, FEATURES).is_file():
                raise RootstockError(
                    f"{self.path}: is no prepared data set: it has no {FEATURES}. Expected the name"
                    " of a data set, or the directory of one of its versions."
                )
            return Path(self.path)
        name, _, version = self.path.partition(":")
        files = Path(self.data_dir, name).glob(f"{version or '*'}/{FEATURES}")
        versions = sorted((f.parent for f in files), key=lambda d: _numbers(d.name))
        if not versions:
            raise RootstockError(
                f"{self.path}: no such TFDS data set in {self.data_dir}. To download and prepare"
                f" it: pip install tensorflow-datasets; tfds build {self.path}"
                f" --data_dir {self.data_dir} --file_format tfrecord"
            )
        return versions[-1]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in version.split("."))


def _with_classes(schema: pa.Schema, classes: Iterable[str], kind: pa.DataType) -> pa.Schema:
    """The schema with classes, or lists of them, of type `kind`."""
    types = {f.name: f.type for f in schema}
    for name in types.keys() & set(classes):
        types[name] = pa.list_(kind) if pa.types.is_list(types[name]) else kind
    return pa.schema(types)


def _class_names(column: pa.Array, names: pa.Array) -> pa.Array:
    """The names of class numbers, or of lists of these; null for unknown numbers."""
    if pa.types.is_list(column.type):
        values = _class_names(column.flatten(), names)
        return pa.ListArray.from_arrays(column.offsets, values, mask=column.is_null())
    known = pc.and_(pc.greater_equal(column, 0), pc.less(column, len(names)))
    return names.take(pc.if_else(known, column, None))
